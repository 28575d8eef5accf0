"""Plan and apply on a real server."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest

from headrace import topology
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError, Terminal, Transient
from headrace.topology.model import Topology
from headrace.writes import Writes
from sinks.clickhouse import contents
from sinks.clickhouse.ddl import statements
from sinks.clickhouse.migrate import Migration
from sinks.clickhouse.writer import Connection, TableSink
from tests.sinks.place import SCHEMA, VIEW, declare, rows, span
from tests.sinks.test_clickhouse_ddl import at_least_once
from tests.stack.nobody import nobody_listens

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def client(stack: Endpoints) -> Iterator[Any]:
    made = clickhouse_connect.get_client(dsn=stack.clickhouse)
    yield made
    made.close()


def apply(stack: Endpoints, root: Path, declared: Topology) -> list[tuple[str, str]]:
    migration = Migration(declared, root, stack.clickhouse)
    planned = migration.changes()
    assert migration.apply() == planned
    assert migration.changes() == []
    assert migration.apply() == []
    migration.close()
    return [(c.object, c.what) for c in planned]


def renamed(declared: Topology, database: str) -> Topology:
    config = declared.clickhouse.model_copy(update={"database": database})
    return declared.model_copy(update={"clickhouse": config})


def with_field(name: str, kind: Any, default: Any = None) -> dict[str, Any]:
    schema = copy.deepcopy(SCHEMA)
    schema["fields"].append({"name": name, "type": kind, "default": default, "doc": "New."})
    return schema


def test_from_nothing_then_nothing_left(stack: Endpoints, tmp_path: Path):
    declared = declare(tmp_path)
    assert apply(stack, tmp_path, declared) == [
        (declared.clickhouse.database, "create database"),
        ("events", "create"),
        ("by_user__v1", "create"),
        ("by_user__v1__from_events", "create"),
        ("by_user", "create"),
    ]


def test_the_projects_own_tables_and_views(stack: Endpoints, client: Any, tmp_path: Path):
    declared = renamed(topology.load(ROOT), declare(tmp_path).clickhouse.database)
    apply(stack, ROOT, declared)
    found = client.query(
        "SELECT table, name, type FROM system.columns WHERE database = {d:String}",
        parameters={"d": declared.clickhouse.database},
    ).result_rows
    held = {(table, name): kind for table, name, kind in found}
    for statement in statements(declared, ROOT):
        for column in statement.columns:
            assert held[statement.object, column.name].replace(" ", "") == column.type.replace(
                " ", ""
            )


def test_an_object_that_vanished_comes_back(stack: Endpoints, client: Any, tmp_path: Path):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    client.command(f"DROP TABLE {declared.clickhouse.database}.by_user__v1__from_events")
    assert apply(stack, tmp_path, declared) == [("by_user__v1__from_events", "create")]


def test_a_new_field_becomes_a_column(stack: Endpoints, client: Any, tmp_path: Path):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    database = declared.clickhouse.database
    later = renamed(declare(tmp_path, with_field("note", ["null", "string"])), database)
    assert apply(stack, tmp_path, later) == [("events", "add column note Nullable(String)")]
    found = client.query(f"DESCRIBE TABLE {database}.events").result_rows
    assert ("note", "Nullable(String)", "New.") in [(r[0], r[1], r[4]) for r in found]


@pytest.mark.parametrize(
    ("kind", "default", "held"),
    [
        ("string", "it's \\ new", "it's \\ new"),
        ("long", -7, -7),
        ("double", 1.5, 1.5),
        ("boolean", True, True),
        (["string", "null"], "", ""),
        ({"type": "enum", "name": "Kind", "symbols": ["A", "B"]}, "B", "B"),
        ({"type": "array", "items": "int"}, [], []),
    ],
)
def test_rows_from_before_a_column_hold_its_default(
    stack: Endpoints, client: Any, tmp_path: Path, kind: Any, default: Any, held: Any
):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    database = declared.clickhouse.database
    client.command(f"INSERT INTO {database}.events (_offset) VALUES (1)")
    apply(stack, tmp_path, renamed(declare(tmp_path, with_field("new", kind, default)), database))
    assert client.query(f"SELECT new FROM {database}.events").result_rows == [(held,)]


def test_a_default_without_a_literal_is_a_conflict(stack: Endpoints, tmp_path: Path):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    day = {"type": "int", "logicalType": "date"}
    later = renamed(declare(tmp_path, with_field("day", day, 3)), declared.clickhouse.database)
    migration = Migration(later, tmp_path, stack.clickhouse)
    with pytest.raises(ConfigError, match="column 'day' is missing, and its Avro default has no"):
        migration.apply()
    migration.close()


async def test_a_stronger_guarantee_gives_tables_and_targets_their_windows(
    stack: Endpoints, client: Any, tmp_path: Path
):
    """Without them a token would be for nothing, and nobody would see it."""
    strict = declare(tmp_path)
    database = strict.clickhouse.database
    apply(stack, tmp_path, at_least_once(strict))
    assert apply(stack, tmp_path, strict) == [
        ("events", "remember 10000 inserts (now: none)"),
        ("by_user__v1", "remember 10000 inserts (now: none)"),
    ]
    sink = TableSink(strict, "events", Connection(stack.clickhouse))
    for _ in range(2):
        await sink.apply(span(0, 9), Writes((rows(span(0, 9)),)))
    await sink.close()
    assert client.query(f"SELECT count() FROM {database}.events").result_rows == [(10,)]
    assert client.query(f"SELECT sum(events) FROM {database}.by_user").result_rows == [(10,)]
    assert apply(stack, tmp_path, at_least_once(strict)) == []


def test_another_window_is_a_change(stack: Endpoints, tmp_path: Path):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    config = declared.clickhouse.model_copy(update={"deduplication_window": 123})
    assert apply(stack, tmp_path, declared.model_copy(update={"clickhouse": config})) == [
        ("events", "remember 123 inserts (now: 10000)"),
        ("by_user__v1", "remember 123 inserts (now: 10000)"),
    ]


def test_a_changed_type_is_a_conflict_and_nothing_is_changed(stack: Endpoints, tmp_path: Path):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    schema = with_field("note", ["null", "string"])
    schema["fields"][2]["type"] = "double"
    later = renamed(declare(tmp_path, schema), declared.clickhouse.database)
    migration = Migration(later, tmp_path, stack.clickhouse)
    before = migration.changes()
    assert [(c.object, c.sql is None) for c in before] == [("events", True), ("events", False)]
    with pytest.raises(ConfigError, match=r"column 'amount' is Int64, declared is Float64"):
        migration.apply()
    assert migration.changes() == before
    migration.close()


def test_a_view_defined_otherwise_is_for_a_replay_and_stays_as_it_is(
    stack: Endpoints, tmp_path: Path
):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    changed = {**VIEW, "from": {"events": VIEW["from"]["events"].replace("count()", "count() * 2")}}
    later = renamed(declare(tmp_path, views={"by_user": changed}), declared.clickhouse.database)
    migration = Migration(later, tmp_path, stack.clickhouse)
    (change,) = migration.changes()
    assert (change.object, change.sql, change.replay, change.conflict) == (
        "by_user", None, True, False,
    )  # fmt: skip
    assert "'headrace replay by_user'" in change.what
    assert migration.apply() == [change] == migration.changes()
    migration.close()
    spaced = {**VIEW, "from": {"events": VIEW["from"]["events"].replace(" ", "\n  ")}}
    same = renamed(declare(tmp_path, views={"by_user": spaced}), declared.clickhouse.database)
    assert apply(stack, tmp_path, same) == []


def test_a_view_from_before_versions_becomes_version_1_and_keeps_its_rows(
    stack: Endpoints, client: Any, tmp_path: Path
):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    database = declared.clickhouse.database
    for sql in (  # as it was made then
        f"DROP TABLE {database}.by_user__v1__from_events",
        f"DROP TABLE {database}.by_user",
        f"RENAME TABLE {database}.by_user__v1 TO {database}.by_user",
        f"CREATE MATERIALIZED VIEW {database}.by_user__from_events TO {database}.by_user AS "
        + VIEW["from"]["events"].replace("FROM events", f"FROM {database}.events"),
        f"INSERT INTO {database}.events (user) VALUES ('ann')",
    ):
        client.command(sql)
    migration = Migration(declared, tmp_path, stack.clickhouse)
    (change,) = migration.changes()
    assert change.conflict
    for sql in re.findall(r"(DROP VIEW [^;]+|RENAME TABLE [^\"]+)", change.what):
        client.command(sql)
    migration.close()
    assert apply(stack, tmp_path, declared) == [
        ("by_user__v1__from_events", "create"),
        ("by_user", "create"),
    ]
    client.command(f"INSERT INTO {database}.events (user) VALUES ('ann')")
    assert client.query(f"SELECT sum(events) FROM {database}.by_user").result_rows == [(2,)]


def test_what_a_view_holds_is_one_row_a_key_however_many_parts_it_has(
    stack: Endpoints, client: Any, tmp_path: Path
):
    declared = declare(tmp_path)
    apply(stack, tmp_path, declared)
    database = declared.clickhouse.database
    client.command(f"SYSTEM STOP MERGES {database}.by_user__v1")
    for amount in (1, 2, 3):
        client.command(f"INSERT INTO {database}.events (user, amount) VALUES ('ann', {amount})")
    sql = contents.select(database, "by_user", declared.clickhouse.views["by_user"])
    assert contents.held(stack.clickhouse, sql).rows() == [("ann", 3, 6)]


def test_a_view_that_does_not_parse_names_itself(stack: Endpoints, tmp_path: Path):
    view = {**VIEW, "from": {"events": "SELECT no_such AS user FROM events"}}
    declared = declare(tmp_path, views={"broken": view})
    migration = Migration(declared, tmp_path, stack.clickhouse)
    with pytest.raises(Terminal, match=r"broken__v1__from_events: create: .*no_such"):
        migration.apply()
    migration.close()


def test_no_server_is_transient(tmp_path: Path):
    with pytest.raises(Transient, match="clickhouse: connect"):
        Migration(declare(tmp_path), tmp_path, f"http://127.0.0.1:{nobody_listens()}")
