"""Statements and column types, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import DatabaseError, OperationalError

from headrace import topology
from headrace.errors import ConfigError, Terminal, Transient
from sinks.clickhouse.ddl import statements, table_columns, text
from sinks.clickhouse.errors import classify
from sinks.clickhouse.types import column_type
from tests.sinks.place import declare

ROOT = Path(__file__).resolve().parents[2]


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
    assert list(columns)[-2:] == ["_partition", "_offset"]


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


def test_statements_are_in_an_order_in_which_they_can_be_made(tmp_path: Path):
    made = statements(declare(tmp_path), tmp_path)
    assert [s.object for s in made] == ["database", "events", "by_user", "by_user__from_events"]
    assert [s.number for s in made] == [1, 2, 3, 4]


def test_literals_are_quoted():
    assert text("it's a \\") == "'it\\'s a \\\\'"


@pytest.mark.parametrize(
    ("error", "policy"),
    [
        (DatabaseError("HTTP driver received HTTP status 503: Code: 252. DB::Exception: Too many "
                       "parts (3000). (TOO_MANY_PARTS)"), Transient),
        (DatabaseError("Code: 241. DB::Exception: (total) memory limit exceeded"), Transient),
        (DatabaseError("Code: 242. DB::Exception: Table is in readonly mode"), Transient),
        (DatabaseError("Code: 16. DB::Exception: No such column x in table"), Terminal),
        (DatabaseError("Code: 60. DB::Exception: Table d.t does not exist"), Terminal),
        (DatabaseError("Code: 516. DB::Exception: Authentication failed"), Terminal),
        (OperationalError("Error Connection refused executing HTTP request attempt 1"), Transient),
        (TimeoutError(), Transient),
        (ConnectionResetError("reset"), Transient),
        (DatabaseError("HTTP driver received HTTP status 502, server response: Bad Gateway"),
         Transient),
    ],
)  # fmt: skip
def test_errors_carry_a_policy(error: Exception, policy: type[Exception]):
    found = classify(error, "table 'events'")
    assert type(found) is policy
    assert "table 'events'" in str(found)
