"""Statements and column types, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headrace import topology
from headrace.errors import ConfigError
from headrace.topology.model import Topology
from sinks.clickhouse.ddl import statements, table_columns
from sinks.clickhouse.insert import insert_settings
from sinks.clickhouse.literals import text
from sinks.clickhouse.types import column_type
from tests.sinks.place import declare

ROOT = Path(__file__).resolve().parents[2]


def at_least_once(declared: Topology) -> Topology:
    delivery = declared.delivery.model_copy(update={"guarantee": "at_least_once"})
    return declared.model_copy(update={"delivery": delivery})


def logical(kind: str, name: str, **props: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": name, **props}


@pytest.mark.parametrize(
    ("avro", "column"),
    [
        ("string", "String"),
        ("bytes", "String"),
        ("int", "Int32"),
        ("long", "Int64"),
        ("float", "Float32"),
        ("double", "Float64"),
        ("boolean", "Bool"),
        (logical("long", "timestamp-millis"), "DateTime64(3, 'UTC')"),
        (logical("long", "timestamp-micros"), "DateTime64(6, 'UTC')"),
        (logical("int", "date"), "Date32"),
        (logical("bytes", "decimal", precision=12, scale=2), "Decimal(12, 2)"),
        (logical("bytes", "decimal", precision=9), "Decimal(9, 0)"),
        (logical("string", "uuid"), "String"),
        ({"type": "fixed", "name": "F", "size": 16}, "FixedString(16)"),
        ({"type": "enum", "name": "E", "symbols": ["a"]}, "LowCardinality(String)"),
        ({"type": "array", "items": "int"}, "Array(Int32)"),
        (["null", "string"], "Nullable(String)"),
        (["string", "null"], "Nullable(String)"),
        (
            ["null", {"type": "enum", "name": "E", "symbols": ["a"]}],
            "LowCardinality(Nullable(String))",
        ),
        (["null", {"type": "array", "items": "int"}], "Array(Int32)"),
        (
            {
                "type": "array",
                "items": {
                    "type": "record",
                    "name": "R",
                    "fields": [{"name": "a", "type": "int"}, {"name": "b", "type": "string"}],
                },
            },
            "Array(Tuple(a Int32, b String))",
        ),
    ],
)
def test_column_types(avro: Any, column: str):
    assert column_type(avro, "f") == column


@pytest.mark.parametrize("avro", [["null", "int", "string"], {"type": "map", "values": "int"}])
def test_a_type_without_a_column_type_names_the_field(avro: Any):
    with pytest.raises(ConfigError, match="'lines'"):
        column_type(avro, "lines")


def test_the_projects_orders_table():
    columns = {c.name: c.type for c in table_columns(topology.load(ROOT), ROOT, "orders")}
    assert columns["occurred_at"] == "DateTime64(3, 'UTC')"
    assert columns["total"] == "Decimal(12, 2)"
    assert columns["refund_amount"] == "Nullable(Decimal(12, 2))"
    assert columns["lines"] == (
        "Array(Tuple(product_id String, category String, quantity Int32, "
        "unit_price Decimal(12, 2)))"
    )
    assert list(columns)[-3:] == ["_partition", "_offset", "_marks"]
    catalog = [c.name for c in table_columns(topology.load(ROOT), ROOT, "catalog")]
    assert catalog[-2:] == ["_partition", "_offset"]


def test_every_table_and_target_has_a_deduplication_window(tmp_path: Path):
    for engine, setting in [
        ("plain", "non_replicated_deduplication_window"),
        ("replicated", "replicated_deduplication_window"),
    ]:
        made = statements(declare(tmp_path, engine=engine, deduplication_window=123), tmp_path)
        creates = [s.sql for s in made if s.sql.startswith("CREATE TABLE")]
        assert len(creates) == 2
        for sql in creates:
            assert f"SETTINGS {setting} = 123" in sql
            assert ("Replicated" in sql) == (engine == "replicated")
            by_time = "replicated_deduplication_window_seconds = 604800"  # else an hour
            assert (by_time in sql) == (engine == "replicated")


def test_statements_are_in_an_order_in_which_they_can_be_made(tmp_path: Path):
    made = statements(declare(tmp_path), tmp_path)
    assert [s.object for s in made] == [
        "database", "events", "by_user__v1", "by_user__v1__from_events", "by_user",
    ]  # fmt: skip
    assert [s.number for s in made] == [1, 2, 3, 4, 5]


def test_literals_are_quoted():
    assert text("it's a \\") == "'it\\'s a \\\\'"


@pytest.mark.parametrize("engine", ["plain", "replicated"])
def test_at_least_once_remembers_nothing(tmp_path: Path, engine: str):
    declared = at_least_once(declare(tmp_path, engine=engine))
    creates = [s for s in statements(declared, tmp_path) if s.sql.startswith("CREATE TABLE")]
    assert [s.window for s in creates] == [None, None]
    for statement in creates:
        assert "SETTINGS" not in statement.sql
        assert "window" not in statement.sql


ONE_BLOCK = {
    "min_insert_block_size_rows",
    "min_insert_block_size_bytes",
    "max_insert_block_size",
}


@pytest.mark.parametrize("known", [(), ("deduplicate_insert",)])
@pytest.mark.parametrize("named", ["shop/orders/events/2/3-9", None])
def test_an_insert_is_one_block_under_both_guarantees(named: str | None, known: tuple[str, ...]):
    settings = insert_settings(named, known)
    assert all(settings[name] > 1 << 36 for name in ONE_BLOCK)
    assert settings["max_insert_threads"] == 1
    assert settings["async_insert"] == 0


def test_exactly_once_names_the_insert_and_the_views_take_part():
    settings = insert_settings("shop/orders/events/2/3-9", {"deduplicate_insert": ...})
    assert settings["insert_deduplicate"] == 1
    assert settings["insert_deduplication_token"] == "shop/orders/events/2/3-9"
    assert settings["deduplicate_blocks_in_dependent_materialized_views"] == 1
    assert settings["deduplicate_insert"] == "enable"


def test_at_least_once_asks_for_no_deduplication():
    settings = insert_settings(None, {"deduplicate_insert": ...})
    assert {k: v for k, v in settings.items() if "dedup" in k} == {
        "insert_deduplicate": 0,
        "deduplicate_insert": "disable",
    }


def test_a_server_is_not_sent_a_setting_that_it_does_not_know():
    assert "deduplicate_insert" not in insert_settings(None, ())
    assert "deduplicate_insert" not in insert_settings("token", ())
