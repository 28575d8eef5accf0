"""Rows arrive as they are, and once, in the table and in its views: on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import clickhouse_connect
import polars as pl
import pytest

from headrace import topology as topologies
from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import Terminal
from headrace.sink import Mark
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes
from sinks.clickhouse.insert import arrow_stream, token
from sinks.clickhouse.migrate import Migration
from sinks.clickhouse.writer import Connection, TableSink, rows_of
from tests.sinks.place import DAY_MS, TOPIC, declare, rows, span
from tests.sinks.test_clickhouse_ddl import at_least_once

ROOT = Path(__file__).resolve().parents[2]


def prepare(stack: Endpoints, root: Path, declared: Topology) -> None:
    migration = Migration(declared, root, stack.clickhouse)
    migration.apply()
    migration.close()


@pytest.fixture
def declared(stack: Endpoints, tmp_path: Path) -> Topology:
    """By month, so that a block may span several partitions of the table."""
    monthly = {"topic": TOPIC, "order_by": ["user", "at"], "partition_by": "toYYYYMM(at)"}
    made = declare(tmp_path, tables={"events": monthly})
    prepare(stack, tmp_path, made)
    return made


@pytest.fixture
async def sink(declared: Topology, stack: Endpoints) -> AsyncIterator[TableSink]:
    made = TableSink(declared, "events", Connection(stack.clickhouse))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
def ask(declared: Topology, stack: Endpoints) -> Any:
    client = clickhouse_connect.get_client(dsn=stack.clickhouse)

    def query(select: str) -> Any:
        return client.query(select.replace("$", declared.clickhouse.database)).result_rows

    return query


TOTALS = "SELECT count(), uniqExact(_offset), sum(amount) FROM $.events"
VIEWED = "SELECT sum(events), sum(amount) FROM $.by_user"


async def test_a_large_repeated_block_counts_once(sink: TableSink, ask: Any):
    n = 300_000
    block = span(0, n - 1)
    writes = Writes((rows(block),))
    total = sum(3 * offset - 5 for offset in range(n))
    for _ in range(2):
        await sink.apply(block, writes)
        assert ask(TOTALS) == [(n, n, total)]
        assert ask(VIEWED) == [(n, total)]


async def test_a_repeated_block_that_spans_months_counts_once(sink: TableSink, ask: Any):
    block = span(0, 399)
    writes = Writes((rows(block, step_ms=DAY_MS),))
    for _ in range(3):
        await sink.apply(block, writes)
    assert ask("SELECT uniqExact(toYYYYMM(at)) FROM $.events") == [(14,)]
    assert ask(TOTALS)[0][:2] == (400, 400)
    assert ask(VIEWED)[0][0] == 400


@pytest.mark.parametrize("windows", [False, True], ids=["own tables", "exactly-once tables"])
async def test_at_least_once_a_repeated_block_is_there_again(
    stack: Endpoints, tmp_path: Path, windows: bool
):
    """In the table and in the view; also in tables that remember inserts for exactly once."""
    strict = declare(tmp_path)
    loose = at_least_once(strict)
    prepare(stack, tmp_path, strict if windows else loose)
    client = clickhouse_connect.get_client(dsn=stack.clickhouse)
    writes = Writes((rows(span(0, 99)),))
    for declared, times in ((loose, 3), (strict, 2)):
        sink = TableSink(declared, "events", Connection(stack.clickhouse))
        for _ in range(times):
            await sink.apply(span(0, 99), writes)
        await sink.close()
    # Three times loosely; then twice under a token, which only a table with a window heeds.
    expected = 100 * (3 + (1 if windows else 2))
    database = strict.clickhouse.database
    counted = f"SELECT count() FROM {database}.events"
    assert client.query(counted).result_rows == [(expected,)]
    viewed = f"SELECT sum(events) FROM {database}.by_user"
    assert client.query(viewed).result_rows == [(expected,)]


async def test_equal_rows_in_other_blocks_all_count(sink: TableSink, ask: Any):
    same = rows(span(0, 9))
    for block in (span(0, 9), span(10, 19), span(0, 9, 1), span(0, 8)):
        await sink.apply(block, Writes((same,)))
    assert ask(TOTALS)[0][0] == 40
    assert ask(VIEWED)[0][0] == 40


async def test_rows_of_one_table_from_several_agents_are_one_block(sink: TableSink, ask: Any):
    writes = Writes((rows(span(0, 4)), rows(span(5, 9))))
    for _ in range(2):
        await sink.apply(span(0, 9), writes)
    assert ask(TOTALS)[0][:2] == (10, 10)


async def test_a_view_that_lost_the_block_gets_it_when_it_is_repeated(
    sink: TableSink, ask: Any, declared: Topology, stack: Endpoints
):
    """A crash between table and view: the table has the rows, the view has not."""
    client = clickhouse_connect.get_client(dsn=stack.clickhouse)
    feed = f"{declared.clickhouse.database}.by_user__v1__from_events"
    client.command(f"DETACH TABLE {feed}")
    writes = Writes((rows(span(0, 9)),))
    await sink.apply(span(0, 9), writes)
    assert ask(TOTALS)[0][0] == 10
    assert ask(VIEWED)[0][0] == 0
    client.command(f"ATTACH TABLE {feed}")
    for _ in range(2):
        await sink.apply(span(0, 9), writes)
    assert ask(TOTALS)[0][0] == 10
    assert ask(VIEWED)[0][0] == 10


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        (pl.DataFrame({"no_such": [1], "_offset": [0]}), "no_such"),
        (pl.DataFrame({"amount": ["many"], "_offset": [0]}), "amount"),
        (pl.DataFrame({"amount": [1]}), "lack '_offset'"),
    ],
)
async def test_what_does_not_fit_is_terminal_and_names_the_table(
    sink: TableSink, frame: pl.DataFrame, says: str
):
    with pytest.raises(Terminal, match=rf"events\[0\]@0-9: clickhouse: table 'events'.*{says}"):
        await sink.apply(span(0, 9), Writes((Rows("events", frame),)))


async def test_a_table_that_is_gone_is_terminal_and_named(
    sink: TableSink, declared: Topology, ask: Any
):
    ask("DROP TABLE $.events")
    with pytest.raises(Terminal, match=r"clickhouse: table 'events', 10 rows.*events"):
        await sink.apply(span(0, 9), Writes((rows(span(0, 9)),)))
    with pytest.raises(Terminal, match=r"clickhouse: table 'events': watermarks.*events"):
        await sink.watermarks([TopicPartition(TOPIC, 0)])


async def test_marks_follow_the_rows_through_merges_and_losses(sink: TableSink, ask: Any):
    """Blocks of a month each; the later months are lost as a restore from a backup loses them."""
    month = 30 * DAY_MS
    tps = [TopicPartition(TOPIC, p) for p in (0, 1)]
    for first in range(0, 50, 10):
        for partition in (0, 1):
            block = span(first, first + 9, partition)
            await sink.apply(block, Writes((rows(block, month // 10),)))
    ask("OPTIMIZE TABLE $.events FINAL")
    assert await sink.watermarks(tps) == dict.fromkeys(tps, Mark(49))
    ask("ALTER TABLE $.events DROP PARTITION 202605")
    [(left,)] = ask("SELECT max(_offset) FROM $.events WHERE _partition = 0")
    assert left < 49
    assert await sink.watermarks(tps) == dict.fromkeys(tps, Mark(left))


async def test_every_column_type_arrives_as_it_was(stack: Endpoints, tmp_path: Path):
    """An order with everything a schema of ours can hold, read back by another client."""
    from headrace.testing import project

    database = declare(tmp_path).clickhouse.database
    declared = topologies.load(ROOT)
    config = declared.clickhouse.model_copy(update={"database": database})
    declared = declared.model_copy(update={"clickhouse": config})
    prepare(stack, ROOT, declared)
    event = {
        "event_id": "e1", "occurred_at": 1_772_366_390_123, "producer": "é\x00'\"",
        "schema_version": 1, "user_id": "u1", "region": "apac", "type": "placed",
        "order_id": "o1", "currency": "JPY", "total": "9999999999.99", "tracking": "t",
        "lines": [
            {"product_id": "p", "category": "c", "quantity": -3, "unit_price": "0.01"},
            {"product_id": "q", "category": "d", "quantity": 2, "unit_price": "-0.10"},
        ],
    }  # fmt: skip
    empty = event | {"event_id": "e2", "lines": [], "refund_amount": "1.10", "tracking": None}
    frame = project(ROOT).frame("shop.orders", [event, empty], partition=3, first=7)
    sink = TableSink(declared, "orders", Connection(stack.clickhouse))
    await sink.apply(span(7, 8, 3), Writes((Rows("orders", frame.df),)))
    await sink.close()
    client = clickhouse_connect.get_client(dsn=stack.clickhouse)
    found = client.query(
        f"SELECT toUnixTimestamp64Milli(occurred_at), producer, region, total, lines, carrier, "
        f"tracking, refund_amount, _partition, _offset FROM {database}.orders ORDER BY _offset"
    ).result_rows
    lines = [
        {"product_id": "p", "category": "c", "quantity": -3, "unit_price": Decimal("0.01")},
        {"product_id": "q", "category": "d", "quantity": 2, "unit_price": Decimal("-0.10")},
    ]
    total = Decimal("9999999999.99")
    at, name = 1_772_366_390_123, "é\x00'\""
    assert found == [
        (at, name, "apac", total, lines, None, "t", None, 3, 7),
        (at, name, "apac", total, [], None, None, Decimal("1.10"), 3, 8),
    ]


def test_a_frame_of_many_chunks_is_one_batch():
    import pyarrow as pa

    frame = pl.concat([rows(span(i, i)).frame for i in range(50)], rechunk=False)
    with pa.ipc.open_stream(arrow_stream(frame)) as reader:
        assert [batch.num_rows for batch in reader] == [50]


def test_tables_without_rows_are_left_out():
    entries = [rows(span(0, 1)), Rows("empty", pl.DataFrame({"a": []})), rows(span(2, 2))]
    assert rows_of(entries, "empty") is None
    assert rows_of(entries, "events").height == 3


def test_rows_of_two_agents_may_order_columns_each_its_way():
    a, b = rows(span(0, 1)).frame, rows(span(2, 3)).frame
    joined = rows_of([Rows("events", a), Rows("events", b.select(reversed(b.columns)))], "events")
    assert joined.equals(rows(span(0, 3)).frame)


def test_rows_of_two_agents_that_differ_are_terminal():
    with pytest.raises(Terminal, match=r"table 'events'.*no_such"):
        rows_of([rows(span(0, 9)), Rows("events", pl.DataFrame({"no_such": [1]}))], "events")


def test_the_token_names_the_rows():
    assert token("shop", "orders", span(3, 9, 2)) == "shop/orders/events/2/3-9"
