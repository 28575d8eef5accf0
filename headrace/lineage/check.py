"""Whether views select columns that there are: ``headrace check``'s part that parses SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from headrace.lineage.paths import paths
from headrace.lineage.selects import said, selects, tables
from headrace.schema.registry import parse
from headrace.schema_files import FOLDER, latest
from headrace.topology.model import Topology
from headrace.topology.tree import Tree


def check(topology: Topology, tree: Tree, root: Path) -> list[str]:
    """Note every name of nothing on the tree; return what could not be checked.

    ``topology`` is right otherwise. Raises ConfigError for a file that is no schema.
    """
    unread: list[str] = []
    for one in selects(topology, tables(topology, _fields(topology, root))):
        if one.reads is None:
            unread.append(
                f"the select of view {one.view!r} from {one.source!r} can't be traced: {one.unread}"
            )
            continue
        for unknown in one.reads.unknown:
            at = ("clickhouse", "views", one.view, "from", one.source)
            tree.problem(at, unknown.name, *said(unknown))
    return unread


def _fields(topology: Topology, root: Path) -> Mapping[str, Sequence[str]]:
    """By topic, of the newest files, locked or not."""
    found = {}
    for name, topic in topology.topics.items():
        file = latest(root / FOLDER, topic.schema_)
        found[name] = paths(parse(file.name, file.read_text(encoding="utf-8"), 1, 1).type)
    return found
