"""A refused INSERT says which records are to blame, on a real server, and writes nothing."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aiohttp import web

from headrace.errors import Terminal
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes
from sinks.clickhouse import culprits
from sinks.clickhouse.writer import TableSink
from tests.sinks.http_proxy import Proxy
from tests.sinks.place import declare, span
from tests.sinks.test_clickhouse_errors import worded

N = 1_000
FIRST = 5_000  # offset of row 0
BLOCK = span(FIRST, FIRST + N - 1, 3)


@pytest.fixture
def declared(tmp_path: Path) -> Topology:
    return declare(tmp_path)


@pytest.fixture
def create(ask: Any) -> Callable[[str], None]:
    """Makes the table with a column ``v`` of some type, and a database for it."""

    def table(kind: str, more: str = "") -> None:
        ask("CREATE DATABASE $")
        ask(
            f"CREATE TABLE $.events (note String, v {kind}, _partition Int32, _offset Int64{more}) "
            f"ENGINE = MergeTree ORDER BY _offset SETTINGS non_replicated_deduplication_window = 99"
        )

    return table


def frame(good: Any, bad: Any, at: Collection[int], dtype: Any = None) -> pl.DataFrame:
    """N rows; times and dates are given as numbers, since Python's own don't go as far."""
    values = [bad if index in at else good for index in range(N)]
    temporal = dtype is not None and dtype.is_temporal()
    column = pl.Series(values).cast(dtype) if temporal else pl.Series(values, dtype=dtype)
    return pl.DataFrame({"note": "it's", "v": column}).with_columns(
        pl.lit(3, pl.Int32).alias("_partition"),
        pl.int_range(FIRST, FIRST + N, dtype=pl.Int64).alias("_offset"),
    )


async def refused(sink: TableSink, data: pl.DataFrame) -> str:
    with pytest.raises(Terminal) as caught:
        await sink.apply(BLOCK, Writes((Rows("events", data),)))
    text = str(caught.value)
    assert "\n" not in text.split("ClickHouse refused", maxsplit=1)[0]
    start = f"events[3]@5000-5999: clickhouse: table 'events', {data.height} rows: "
    assert text.startswith(start)
    return text.removeprefix(start)


WIDE = pl.Decimal(20, 2)
AMOUNT = Decimal("99999999999.99")
VALUES = {
    "decimal": ("Decimal(9, 2)", Decimal("1.00"), AMOUNT, WIDE, 407),
    "nested decimal": (
        "Array(Tuple(a Decimal(9, 2)))",
        [{"a": Decimal("1.00")}],
        [{"a": AMOUNT}],
        pl.List(pl.Struct({"a": WIDE})),
        407,
    ),
    "date": ("Date", 0, 1_000_000, pl.Date, 321),
    "time": ("DateTime64(9, 'UTC')", 0, 10**15, pl.Datetime("ms", "UTC"), 407),
    "time as text": ("DateTime64(3, 'UTC')", "2026-01-01 00:00:00", "soon", None, 41),
    "fixed string": ("FixedString(4)", "abcd", "abcdefgh", None, 131),
    "enum": ("Enum8('a' = 1, 'b' = 2)", "a", "ä'\\", None, 691),
    "number": ("Int64", "1", "many", None, 6),
    "no number": ("Int64", 1.5, float("nan"), None, 70),
    "uuid": ("UUID", "61f0c404-5cb3-11e7-907b-a6006ad3dba0", "no", None, 376),
    "bool": ("Bool", "true", "maybe", None, 467),
    "null": ("Int64", 1, None, pl.Int64, 349),
    "json": ("JSON", "{}", "nope", None, 117),
}


@pytest.mark.parametrize(("kind", "good", "bad", "dtype", "code"), VALUES.values(), ids=VALUES)
async def test_values_that_do_not_fit_are_named(
    sink: TableSink, create: Any, ask: Any, kind: str, good: Any, bad: Any, dtype: Any, code: int
):
    create(kind)
    text = await refused(sink, frame(good, bad, {17, 503}, dtype))
    assert text.startswith("refused: 2 of 1000 rows, of partition@offset 3@5017, 3@5503; ")
    shown = datetime.date(4707, 11, 29) if kind == "Date" else bad
    assert f"the first has {shown!r} (" in text
    assert f"in column 'v', which is {kind}; fix: have the agent raise on such a record" in text
    assert f"ClickHouse refused: Received ClickHouse exception, code: {code}" in text
    assert ask("SELECT count() FROM $.events") == [(0,)]


async def test_the_same_block_can_be_written_after_the_search(
    sink: TableSink, create: Any, ask: Any
):
    """The dry runs neither wrote a row nor used up the block's token."""
    create("Int64")
    await refused(sink, frame("1", "many", {999}))
    good = frame("1", "2", {999})
    for _ in range(2):
        await sink.apply(BLOCK, Writes((Rows("events", good),)))
    assert ask("SELECT count(), sum(v) FROM $.events") == [(N, N + 1)]


SETS = [[0], [999], [0, 999], [499, 500], [250, 251, 252], [3, 333, 666, 999], [7, 8, 9, 500, 501]]


@pytest.mark.parametrize("at", SETS, ids=str)
async def test_the_search_finds_exactly_the_rows_within_its_bound(
    sink: TableSink, proxy: Proxy, create: Any, at: list[int]
):
    create("Int64")
    text = await refused(sink, frame("1", "many", set(at)))
    named = ", ".join(f"3@{FIRST + index}" for index in at)
    assert f"refused: {len(at)} of 1000 rows, of partition@offset {named};" in text
    assert proxy.inserts[0].split()[2].endswith(".`events`")
    dry = proxy.inserts[1:]
    assert all(line.startswith("INSERT INTO FUNCTION null(") for line in dry)
    assert len(dry) <= culprits.REQUESTS


async def test_more_rows_than_the_bound_allows_are_at_least(
    sink: TableSink, proxy: Proxy, create: Any
):
    create("Int64")
    text = await refused(sink, frame("1", "many", range(N)))
    assert text.startswith("refused: at least ")
    assert "3@5000, 3@5001, 3@5002, 3@5003, 3@5004 and " in text
    assert "the first has 'many' (String) in column 'v'" in text
    assert len(proxy.inserts) - 1 <= culprits.REQUESTS


async def test_records_that_gave_several_rows_are_named_once(sink: TableSink, create: Any):
    create("Int64")
    data = pl.concat([frame("1", "many", {17})] * 2)
    text = await refused(sink, data)
    assert "refused: 2 of 2000 rows, of partition@offset 3@5017; the first" in text


async def test_a_long_value_is_cut(sink: TableSink, create: Any):
    create("Int64")
    text = await refused(sink, frame("1", "x" * 5_000, {1}))
    assert f"the first has '{'x' * 79}… (String) in column 'v'" in text


async def test_a_search_out_of_time_says_so(
    sink: TableSink, create: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(culprits, "SECONDS", 0.0)
    create("Int64")
    text = await refused(sink, frame("1", "many", {17}))
    assert "all 1000 rows, of partition@offset 3@5000 to 3@5999, at least one of them" in text


WHOLE = "concerned: all 1000 rows, of partition@offset 3@5000 to 3@5999"


async def test_a_type_without_a_conversion_concerns_all_rows(
    sink: TableSink, proxy: Proxy, create: Any
):
    create("Int64")
    text = await refused(sink, frame([1], [2], {17}))
    column = "column 'v' is Int64, the agent gave List(Int64)"
    assert text.startswith(f"{WHOLE}, of their type: {column}; fix: 'headrace plan' shows")
    assert len(proxy.inserts) == 4


async def test_a_column_that_is_missing_concerns_all_rows(
    sink: TableSink, proxy: Proxy, create: Any, ask: Any
):
    create("Int64")
    ask("ALTER TABLE $.events DROP COLUMN v")
    text = await refused(sink, frame(1, 2, {17}))
    assert text.startswith(f"{WHOLE}; fix: 'headrace plan' shows")
    assert "No such column v" in text
    assert len(proxy.inserts) == 1


@pytest.mark.parametrize("what", ["TABLE $.events", "DATABASE $"])
async def test_a_table_that_is_missing_concerns_all_rows(
    sink: TableSink, proxy: Proxy, create: Any, ask: Any, what: str
):
    create("Int64")
    ask(f"DROP {what}")
    text = await refused(sink, frame(1, 2, {17}))
    assert text.startswith(f"{WHOLE}; fix: 'headrace plan' shows")
    assert len(proxy.inserts) == 1


async def test_a_view_that_refuses_is_told_from_the_table(sink: TableSink, create: Any, ask: Any):
    create("Int64")
    ask("CREATE TABLE $.target (v Int64) ENGINE = MergeTree ORDER BY v")
    ask(
        "CREATE MATERIALIZED VIEW $.feed TO $.target AS "
        "SELECT v + throwIf(v = 2, 'no twos') AS v FROM $.events"
    )
    text = await refused(sink, frame(1, 2, {17}))
    assert text.startswith(f"{WHOLE}; a dry run into the table's types took them all")
    assert "while pushing to view" in text


async def test_a_constraint_is_told_from_the_types(sink: TableSink, create: Any):
    create("Int64", ", CONSTRAINT small CHECK v < 2")
    text = await refused(sink, frame(1, 2, {17}))
    assert text.startswith(f"{WHOLE}; a dry run into the table's types took them all")
    assert "is violated at row 18" in text


@pytest.mark.parametrize(
    ("status", "code", "name", "says"),
    [
        (503, 202, "TOO_MANY_SIMULTANEOUS_QUERIES", "which rows are to blame could not be asked"),
        (403, 497, "ACCESS_DENIED", "a dry run failed otherwise"),
    ],
)
async def test_a_dry_run_that_fails_does_not_hide_the_refusal(
    sink: TableSink, proxy: Proxy, create: Any, status: int, code: int, name: str, says: str
):
    """A busy server, and a user who may not use table functions."""
    create("Int64")

    def answer(_: web.Request, line: str) -> web.Response | None:
        if "FUNCTION null" not in line:
            return None
        headers = {"X-ClickHouse-Exception-Code": str(code)}
        return web.Response(status=status, text=worded(code, name).strip(), headers=headers)

    proxy.answer = answer
    text = await refused(sink, frame("1", "many", {17}))
    assert text.startswith(f"{WHOLE} (")
    assert says in text
    assert name in text
    assert "Cannot parse string 'many' as Int64" in text
    assert len(proxy.inserts) == 2
