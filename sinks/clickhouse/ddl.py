"""The statements that make a topology's tables and views, numbered in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.schema_files import FOLDER, latest
from headrace.topology.model import ClickHouse, Topology, View
from sinks.clickhouse import erased, versions
from sinks.clickhouse.defaults import default_of
from sinks.clickhouse.literals import text
from sinks.clickhouse.types import column_type

REPLICATED = "replicated_deduplication_window"
REPLICATED_SECONDS = "replicated_deduplication_window_seconds"
WEEK_S = 604_800
POSITION = {
    "_partition": ("Int32", "Partition that the row's record came from."),
    "_offset": ("Int64", "Offset of the row's record in its partition."),
}
MARKS = ("_marks", "Array(LowCardinality(String))", "Rules that the row fails and that mark it.")


@dataclass(frozen=True, slots=True)
class Column:
    """A column as declared. ``default`` is for rows older than it: None if it has no literal."""

    name: str
    type: str
    comment: str = ""
    default: str | None = ""


@dataclass(frozen=True, slots=True)
class Window:
    """How many INSERTs a table is to remember: the setting's name and value."""

    setting: str
    inserts: int

    def __str__(self) -> str:
        """As it stands in SETTINGS. Replicated tables forget after an hour unless told else."""
        seconds = f", {REPLICATED_SECONDS} = {WEEK_S}" if self.setting == REPLICATED else ""
        return f"{self.setting} = {self.inserts}{seconds}"


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, the object it makes, and the columns and window that object is to have."""

    number: int
    object: str
    sql: str
    columns: tuple[Column, ...] = ()
    window: Window | None = None


def statements(
    topology: Topology, root: Path, shown: Mapping[str, int] | None = None
) -> list[Statement]:
    """Database, raw tables, view targets, views: in an order in which they can be made.

    ``shown`` is the version that readers see of a view, where that is not the first.
    """
    config = topology.clickhouse
    window = deduplication_window(topology)
    made: list[tuple[str, str, tuple[Column, ...], Window | None]] = [
        ("database", f"CREATE DATABASE IF NOT EXISTS {config.database}", (), None)
    ]
    for name, table in config.tables.items():
        columns = table_columns(topology, root, name)
        sql = create_table(
            config, name, "MergeTree", columns, table.order_by, table.partition_by,
            table.ttl, window,
        )  # fmt: skip
        made.append((name, sql, columns, window))
    for name, view in config.views.items():
        made.extend(_view(config, name, view, (shown or {}).get(name, versions.FIRST), window))
    if topology.of_persons():
        columns = tuple(Column(*column) for column in erased.COLUMNS)
        sql = create_table(
            config, erased.TABLE, "MergeTree", columns, erased.ORDER_BY, None,
            None, None, erased.DOC,
        )  # fmt: skip
        made.append((erased.TABLE, sql, columns, None))
    return [Statement(i, *parts) for i, parts in enumerate(made, 1)]


def deduplication_window(topology: Topology) -> Window | None:
    """What tables and view targets have to remember; nothing for at least once."""
    if topology.delivery.guarantee == "at_least_once":
        return None
    setting = REPLICATED if topology.clickhouse.engine == "replicated" else f"non_{REPLICATED}"
    return Window(setting, topology.clickhouse.deduplication_window)


def table_columns(topology: Topology, root: Path, table: str) -> tuple[Column, ...]:
    """Columns of a raw table: its topic's newest schema, the position, perhaps marks."""
    topic = topology.topics[topology.clickhouse.tables[table].topic]
    schema = json.loads(latest(root / FOLDER, topic.schema_).read_text(encoding="utf-8"))
    fields: Sequence[Mapping[str, Any]] = schema["fields"]
    return (
        *(
            Column(
                f["name"], column_type(f["type"], f["name"]), str(f.get("doc", "")), default_of(f)
            )
            for f in fields
        ),
        *(Column(name, kind, doc) for name, (kind, doc) in POSITION.items()),
        *((Column(*MARKS),) if topology.marks(topology.clickhouse.tables[table].topic) else ()),
    )


def define(column: Column) -> str:
    """A column as it stands in CREATE TABLE."""
    return f"`{column.name}` {column.type}{_comment(column)}"


def define_added(column: Column) -> str:
    """A column as it stands in ADD COLUMN: with what the rows that are there hold in it."""
    default = f" DEFAULT {column.default}" if column.default else ""
    return f"`{column.name}` {column.type}{default}{_comment(column)}"


def _comment(column: Column) -> str:
    return f" COMMENT {text(column.comment)}" if column.comment else ""


def create_table(
    config: ClickHouse,
    name: str,
    family: str,
    columns: Sequence[Column],
    order_by: Sequence[str],
    partition_by: str | None,
    ttl: str | None,
    window: Window | None,
    comment: str = "",
) -> str:
    lines = [
        f"CREATE TABLE IF NOT EXISTS {config.database}.`{name}` (",
        ",\n".join(f"  {define(column)}" for column in columns),
        f") ENGINE = {_engine(config, family)}",
    ]
    if partition_by:
        lines.append(f"PARTITION BY {partition_by}")
    lines.append(f"ORDER BY ({', '.join(f'`{c}`' for c in order_by)})")
    if ttl:
        lines.append(f"TTL {ttl}")
    if window:
        lines.append(f"SETTINGS {window}")
    if comment:
        lines.append(f"COMMENT {text(comment)}")
    return "\n".join(lines)


def _engine(config: ClickHouse, family: str) -> str:
    if config.engine == "replicated":
        path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        return f"Replicated{family}({path})"
    return family


def create_target(
    config: ClickHouse, view: View, table: str, window: Window | None
) -> tuple[str, tuple[Column, ...]]:
    """The table that holds a version of a view, and its columns."""
    columns = tuple(Column(column, kind) for column, kind in view.columns.items())
    sql = create_table(
        config, table, "AggregatingMergeTree", columns, view.order_by, view.partition_by,
        view.ttl, window, view.doc,
    )  # fmt: skip
    return sql, columns


def _view(
    config: ClickHouse, name: str, view: View, version: int, window: Window | None
) -> Iterator[tuple[str, str, tuple[Column, ...], Window | None]]:
    target = versions.target(name, version)
    sql, columns = create_target(config, view, target, window)
    yield target, sql, columns, window
    for source in view.from_:
        feed = versions.feed(name, version, source)
        yield feed, versions.create_feed(config.database, feed, target, view, source), (), None
    reader = versions.create_reader(config.database, name, version, view.doc, replace=False)
    yield name, reader, (), None
