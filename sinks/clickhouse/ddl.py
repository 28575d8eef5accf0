"""The statements that make a topology's tables and views, numbered in order."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headrace.topology.model import ClickHouse, Topology, View
from sinks.clickhouse.types import column_type

POSITION = {
    "_partition": ("Int32", "Partition that the row's record came from."),
    "_offset": ("Int64", "Offset of the row's record in its partition."),
}


@dataclass(frozen=True, slots=True)
class Column:
    """A column as declared."""

    name: str
    type: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement, the object it makes, and the columns that object is to have."""

    number: int
    object: str
    sql: str
    columns: tuple[Column, ...] = ()


def statements(topology: Topology, root: Path) -> list[Statement]:
    """Database, raw tables, view targets, views: in an order in which they can be made."""
    config = topology.clickhouse
    made: list[tuple[str, str, tuple[Column, ...]]] = [
        ("database", f"CREATE DATABASE IF NOT EXISTS {config.database}", ())
    ]
    for name, table in config.tables.items():
        columns = table_columns(topology, root, name)
        sql = _create(
            config, name, "MergeTree", columns, table.order_by, table.partition_by, table.ttl
        )
        made.append((name, sql, columns))
    for name, view in config.views.items():
        columns = tuple(Column(column, kind) for column, kind in view.columns.items())
        sql = _create(
            config, name, "AggregatingMergeTree", columns, view.order_by, view.partition_by,
            view.ttl, view.doc,
        )  # fmt: skip
        made.append((name, sql, columns))
        made.extend(_feeds(config, name, view))
    return [Statement(i, *parts) for i, parts in enumerate(made, 1)]


def table_columns(topology: Topology, root: Path, table: str) -> tuple[Column, ...]:
    """Columns of a raw table: the fields of its topic's schema, then the position."""
    topic = topology.topics[topology.clickhouse.tables[table].topic]
    schema = json.loads((root / "schemas" / f"{topic.schema_}.avsc").read_text(encoding="utf-8"))
    fields: Sequence[Mapping[str, Any]] = schema["fields"]
    return (
        *(
            Column(f["name"], column_type(f["type"], f["name"]), str(f.get("doc", "")))
            for f in fields
        ),
        *(Column(name, kind, doc) for name, (kind, doc) in POSITION.items()),
    )


def text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def define(column: Column) -> str:
    """A column as it stands in CREATE TABLE."""
    comment = f" COMMENT {text(column.comment)}" if column.comment else ""
    return f"`{column.name}` {column.type}{comment}"


def _create(
    config: ClickHouse,
    name: str,
    family: str,
    columns: Sequence[Column],
    order_by: Sequence[str],
    partition_by: str | None,
    ttl: str | None,
    comment: str = "",
) -> str:
    engine, window = _engine(config, family)
    lines = [
        f"CREATE TABLE IF NOT EXISTS {config.database}.`{name}` (",
        ",\n".join(f"  {define(column)}" for column in columns),
        f") ENGINE = {engine}",
    ]
    if partition_by:
        lines.append(f"PARTITION BY {partition_by}")
    lines.append(f"ORDER BY ({', '.join(f'`{c}`' for c in order_by)})")
    if ttl:
        lines.append(f"TTL {ttl}")
    lines.append(f"SETTINGS {window} = {config.deduplication_window}")
    if comment:
        lines.append(f"COMMENT {text(comment)}")
    return "\n".join(lines)


def _engine(config: ClickHouse, family: str) -> tuple[str, str]:
    if config.engine == "replicated":
        path = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"
        return f"Replicated{family}({path})", "replicated_deduplication_window"
    return family, "non_replicated_deduplication_window"


def _feeds(
    config: ClickHouse, name: str, view: View
) -> Iterator[tuple[str, str, tuple[Column, ...]]]:
    for source, select in view.from_.items():
        feed = f"{name}__from_{source}"
        sql = (
            f"CREATE MATERIALIZED VIEW IF NOT EXISTS {config.database}.`{feed}` "
            f"TO {config.database}.`{name}` AS\n{select.strip()}"
        )
        yield feed, sql, ()
