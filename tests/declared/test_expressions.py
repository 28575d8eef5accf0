"""An expression is the same in Polars and in ClickHouse: random ones, over rows with extremes."""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Callable, Iterator
from decimal import Decimal, localcontext
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace import topology as topologies
from headrace.declared.expressions import compile_text
from headrace.declared.leaves import Fields
from headrace.declared.shape import Shape
from headrace.declared.value import Value
from headrace.endpoints import Endpoints
from headrace.rules.wrong import Wrong
from headrace.serve.readers import ClickHouseReader
from headrace.sink import BlockRange
from headrace.writes import Rows, Writes
from sinks.clickhouse.migrate import Migration
from sinks.factory import make_sinks
from tests.declared import values

ROWS = values.rows()
SHAPE = Shape.of(values.schema())
Ask = Callable[[str], pl.DataFrame]


@pytest.fixture(scope="module")
def ask(tmp_path_factory: pytest.TempPathFactory, stack: Endpoints) -> Iterator[Ask]:
    """Asks ClickHouse about a table that holds the rows, written as the pipeline writes them."""
    name = f"e{uuid.uuid4().hex[:8]}"
    folder = tmp_path_factory.mktemp("expressions") / "p"
    values.project(folder, name)
    topology = topologies.load(folder)
    migration = Migration(topology, folder, stack.clickhouse)
    migration.apply()
    migration.close()

    async def fill() -> None:
        for sink in make_sinks(topology, stack):
            await sink.start()
            if sink.takes(values.TOPIC) and sink.store == "clickhouse":
                block = BlockRange(values.TOPIC, 0, 0, ROWS.height - 1)
                await sink.apply(block, Writes((Rows(values.TOPIC, ROWS),)))
            await sink.close()

    asyncio.run(fill())
    reader = ClickHouseReader(stack.clickhouse, name)
    yield reader.frame
    reader.close()


def compiled(texts: list[str]) -> list[Value]:
    """Those that are let through."""
    found = []
    for text in texts:
        try:
            found.append(compile_text(text, Fields(SHAPE)))
        except Wrong:
            continue
    return found


def in_sql(value: Value) -> str:
    """The value as text in which equal values are equal."""
    match value.type.kind:
        case "float":
            return f"if(isNaN({value.sql}), 'nan', toString({value.sql} + 0))"
        case "time":
            made = "Milli" if value.type.unit == "ms" else "Micro"
            return f"toString(toUnixTimestamp64{made}({value.sql}))"
        case "bool":
            return f"toString(toUInt8({value.sql}))"
    return f"toString({value.sql})"


def shown(value: Value, text: str | None) -> Any:
    """ClickHouse's text as Polars' value."""
    if text is None:
        return None
    match value.type.kind:
        case "bool":
            return text == "1"
        case "int" | "time":
            return int(text)
        case "decimal":
            return Decimal(text)
        case "float":
            return "nan" if text == "nan" else float(text)
    return text


def in_polars(value: Value) -> list[Any]:
    found = ROWS.with_columns(value.expr.alias("v"))["v"]  # of a literal, too, in every row
    if value.type.kind == "float":
        return [v if v is None or not math.isnan(v) else "nan" for v in found.to_list()]
    if value.type.kind == "decimal":
        scale = value.type.scale
        with localcontext(prec=60):
            return [None if v is None else Decimal(v).scaleb(-scale) for v in found.to_list()]
    if value.type.kind == "enum":
        found = found.cast(pl.String)
    return found.to_list()


def both(ask: Ask, made: list[Value]) -> Iterator[tuple[Value, list[Any], list[Any]]]:
    columns = ", ".join(f"{in_sql(value)} AS c{i}" for i, value in enumerate(made))
    told = ask(f"SELECT {columns} FROM {values.TOPIC} AS row ORDER BY row._offset")
    for i, value in enumerate(made):
        yield value, in_polars(value), [shown(value, text) for text in told[f"c{i}"].to_list()]


@settings(max_examples=settings().max_examples // 2)
@given(st.lists(values.expressions, min_size=1, max_size=12))
def test_both_engines_say_the_same(ask: Ask, texts: list[str]):
    made = compiled(texts)
    if not made:
        return
    for value, mine, theirs in both(ask, made):
        assert mine == theirs, value.sql


@given(values.expressions)
def test_what_is_said_of_null_is_so(text: str):
    """A value that is never null is not, and a field that a condition tells of is not null."""
    for value in compiled([text]):
        found = in_polars(value)
        if not value.type.nullable:
            assert None not in found
        if value.type.kind == "bool" and value.tests:
            true = ROWS.filter(pl.Series(found, dtype=pl.Boolean).fill_null(False))
            assert sum(true[name].null_count() for name in value.tests) == 0


def test_most_expressions_are_let_through():
    """Else the tests above would say nothing."""
    examples = ["n + 1", "money * n > 2", "COALESCE(s, 'x')", "at < at0", "x / y0", "place = 'DE'"]
    assert len(compiled(examples)) == len(examples)
