"""Versions of a view: readers name the view, and each version has its own target and feeds.

``<view>`` is a plain view over the target of the version that readers see. ``<view>__v<n>`` is a
version's target, ``<view>__v<n>__from_<table>`` what feeds it. So nothing that writes ever follows
the name that readers use, and replacing that one view is the whole switch: ClickHouse exchanges it
in one step, and a query that has begun reads on where it began.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterable, Mapping

from headrace.topology.model import View
from sinks.clickhouse.literals import text

FIRST = 1
_VERSION = re.compile(r"__v([1-9]\d*)$")
_DEFINITION = re.compile(r"^definition ([0-9a-f]{16})$")


def target(view: str, version: int) -> str:
    """The table that holds a version."""
    return f"{view}__v{version}"


def feed(view: str, version: int, source: str) -> str:
    """What feeds a version from a raw table."""
    return f"{target(view, version)}__from_{source}"


def number(view: str, table: str) -> int | None:
    """The version whose target a table is; None if it is something else."""
    found = _VERSION.search(table)
    return int(found[1]) if found and table == target(view, int(found[1])) else None


def of(table: str, views: Iterable[str]) -> str | None:
    """The view one of whose versions a table holds; None if it is something else."""
    return next((view for view in views if number(view, table) is not None), None)


def shown(view: str, select: str) -> int | None:
    """The version that a reader's view selects from; None if it is not one of this project."""
    return number(view, select.strip().rpartition(".")[2].strip("`"))


def definition(view: View) -> str:
    """Names what a version holds: columns, order, selects. White space in SQL does not count."""
    content = {
        "columns": {name: "".join(kind.split()) for name, kind in view.columns.items()},
        "order_by": view.order_by,
        "partition_by": view.partition_by,
        "ttl": view.ttl,
        "from": {table: " ".join(select.split()) for table, select in view.from_.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def defined(comment: str) -> str | None:
    """The definition that a feed's comment names."""
    found = _DEFINITION.match(comment)
    return found[1] if found else None


def create_reader(database: str, name: str, version: int, doc: str, *, replace: bool) -> str:
    """What readers query, over one version."""
    verb = "CREATE OR REPLACE VIEW" if replace else "CREATE VIEW IF NOT EXISTS"
    return f"{verb} {database}.`{name}` AS SELECT * FROM {database}.`{target(name, version)}`" + (
        f"\nCOMMENT {text(doc)}" if doc else ""
    )


def create_feed(
    database: str,
    name: str,
    to: str,
    view: View,
    source: str,
    rows: str | None = None,
) -> str:
    """A materialized view of one of a view's selects.

    ``rows`` is a query that stands for the source, with the columns of it that the select names:
    a common table expression shadows the table, so the select itself stays as it was declared.
    """
    select = view.from_[source].strip()
    return (
        f"CREATE MATERIALIZED VIEW IF NOT EXISTS {database}.`{name}` TO {database}.`{to}`\n"
        f"COMMENT {text(f'definition {definition(view)}')} AS\n"
        f"{select if rows is None else instead(select, source, rows)}"
    )


def instead(select: str, source: str, rows: str) -> str:
    """The select with a query in the place of a table it names."""
    shadow = f"WITH `{source}` AS ({rows})"
    words = select.split(None, 1)
    if words[0].upper() == "WITH":
        return f"{shadow}, {words[1]}"
    return f"{shadow}\n{select}"


def behind(cuts: Mapping[int, int]) -> str:
    """A condition: rows of the log from each partition's cut on."""
    parts = [f"(_partition = {p} AND _offset >= {cut})" for p, cut in sorted(cuts.items())]
    return " OR ".join(parts) or "0"
