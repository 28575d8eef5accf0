"""Whether each topic's rules fit the fields of its schema."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from headrace.rules.compiled import compile_rule
from headrace.rules.wrong import Wrong
from headrace.topology import schemas
from headrace.topology.model import Topology
from headrace.topology.tree import Tree


def run(topology: Topology, tree: Tree, root: Path) -> None:
    """Note every rule that does not; a schema that can't be read has been noted."""
    for name, topic in topology.topics.items():
        dtypes = dtypes_of(root, topic.schema_) if topic.rules else None
        if dtypes is None:
            continue
        for rule_name, rule in topic.rules.items():
            try:
                compile_rule(rule_name, rule, dtypes)
            except Wrong as error:
                at = ("topics", name, "rules", rule_name)
                part = (error.part,) if error.part is not None else ()
                tree.problem((*at, *part), error.value, error.wrong, error.fix)


def dtypes_of(root: Path, schema: str) -> dict[str, pl.DataType] | None:
    """The columns of a schema's newest version, which readers use."""
    read = schemas.read(root, schema)
    return None if read is None else {column.name: column.dtype for column in read}
