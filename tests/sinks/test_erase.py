"""Erasers delete a person's rows and keys, nobody else's, and leave exactly once as it was."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import clickhouse_connect
import polars as pl
import pytest
import redis

from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import Terminal
from headrace.frame import Frame
from headrace.sink import Mark
from headrace.topology.model import Topology
from headrace.writes import Writes, combine
from sinks.clickhouse.erase import ClickHouseEraser
from sinks.clickhouse.migrate import Migration
from sinks.clickhouse.writer import Connection, TableSink
from sinks.redis.erase import RedisEraser
from sinks.redis.keystore import RedisKeyStore
from sinks.redis.writer import RedisSink
from tests.private import project
from tests.private.project import TOPIC, keep
from tests.sinks.place import JANUARY_MS, span

PERSONS = ["ann", "bob", "ann", "cleo", "ann", "ann"]  # ann's rows are the table's last ones
HELD = len(PERSONS) - 1
#: What would be SQL in a name put into a statement instead of bound to it.
HOSTILE = "o'hara\\' OR 1=1 --"


@pytest.fixture
def declared(tmp_path: Path) -> Topology:
    project.write(tmp_path)
    name = f"t{uuid.uuid4().hex[:10]}"
    topology = dict(project.TOPOLOGY)
    topology["clickhouse"] = {**topology["clickhouse"], "database": name}
    topology["redis"] = {**topology["redis"], "prefix": name}
    return Topology.model_validate(topology)


def writes(persons: list[str], first: int = 0) -> Writes:
    n = len(persons)
    offsets = pl.int_range(first, first + n, dtype=pl.Int64, eager=True)
    df = pl.DataFrame(
        {
            "user_id": persons,
            "at": pl.Series([JANUARY_MS] * n).cast(pl.Datetime("ms", "UTC")),
            "order_id": [f"o-{person}" for person in persons],
            "email": ["hrx1:sealed"] * n,
            "_partition": pl.Series([0] * n, dtype=pl.Int32),
            "_offset": offsets,
        }
    )
    made = keep(Frame(None, df, []))  # type: ignore[arg-type]
    return Writes(made.rows, tuple(combine(made.redis)))


def block(first: int, last: int) -> Any:
    made = span(first, last)
    return type(made)(TOPIC, 0, first, last)


@pytest.fixture
async def table(stack: Endpoints, declared: Topology, tmp_path: Path) -> AsyncIterator[TableSink]:
    migration = Migration(declared, tmp_path, stack.clickhouse)
    migration.apply()
    assert migration.changes() == []
    migration.close()
    sink = TableSink(declared, "customers", Connection(stack.clickhouse))
    await sink.apply(block(0, HELD), writes(PERSONS))
    yield sink
    await sink.close()


@pytest.fixture
def eraser(
    stack: Endpoints, declared: Topology, tmp_path: Path, table: TableSink
) -> Iterator[ClickHouseEraser]:
    made = ClickHouseEraser(declared, tmp_path, stack.clickhouse)
    yield made
    made.close()


@pytest.fixture
def ask(stack: Endpoints, declared: Topology) -> Any:
    client = clickhouse_connect.get_client(
        dsn=stack.clickhouse, database=declared.clickhouse.database
    )
    return lambda select: client.query(select).result_rows


def test_rows_go_from_tables_and_from_views_by_person(eraser: ClickHouseEraser, ask: Any):
    ids = eraser.ids("ann")
    assert ids == {"user_id": {"ann"}, "order_id": {"o-ann"}}
    left = {found.where: (found.searched, found.left) for found in eraser.find("ann", ids)}
    assert left == {"clickhouse customers": (6, 4), "clickhouse by_person__v1": (3, 1)}
    assert eraser.erase("ann", ids) == 5
    assert eraser.erase("ann", ids) == 0
    assert [found.left for found in eraser.find("ann", ids)] == [0, 0]
    assert ask("SELECT user_id FROM customers ORDER BY _offset") == [("bob",), ("cleo",)]
    assert ask("SELECT user_id FROM by_person ORDER BY user_id") == [("bob",), ("cleo",)]
    assert ask("SELECT sum(events) FROM totals") == [(6,)]
    held = "SELECT count() FROM system.parts_columns WHERE active AND database = currentDatabase()"
    assert ask(f"{held} AND table = 'customers' AND rows > 2") == [(0,)]


async def test_a_table_whose_last_rows_are_erased_has_not_lost_its_tail(
    table: TableSink, eraser: ClickHouseEraser, ask: Any
):
    tp = TopicPartition(TOPIC, 0)
    assert await table.watermarks([tp]) == {tp: Mark(HELD)}
    eraser.erase("ann", eraser.ids("ann"))
    assert await table.watermarks([tp]) == {tp: Mark(HELD)}
    await table.apply(block(0, HELD), writes(PERSONS))  # in doubt, repeated: it has a name
    assert ask("SELECT count() FROM customers") == [(2,)]
    assert ask("SELECT sum(events) FROM totals") == [(6,)]
    await table.apply(block(HELD + 1, HELD + 1), writes(["bob"], HELD + 1))
    assert await table.watermarks([tp]) == {tp: Mark(HELD + 1)}


async def test_rows_that_come_during_an_erasure_are_left_to_the_next(
    table: TableSink, eraser: ClickHouseEraser, ask: Any, monkeypatch: pytest.MonkeyPatch
):
    """Deleted without a note of how far the table was, they would look like a lost tail."""
    noted = eraser._note("customers", "user_id", "ann")
    await table.apply(block(HELD + 1, HELD + 1), writes(["ann"], HELD + 1))
    monkeypatch.setattr(eraser, "_note", lambda *_: noted)
    eraser.erase("ann", {})
    assert ask("SELECT user_id, _offset FROM customers WHERE _offset > 3") == [("ann", HELD + 1)]
    monkeypatch.undo()
    eraser.erase("ann", {})
    assert eraser.find("ann", {})[0].left == 0


async def test_an_id_is_data_wherever_it_goes(table: TableSink, eraser: ClickHouseEraser, ask: Any):
    await table.apply(block(HELD + 1, HELD + 1), writes([HOSTILE], HELD + 1))
    assert eraser.ids(HOSTILE)["order_id"] == {f"o-{HOSTILE}"}
    assert eraser.erase(HOSTILE, {}) == 2
    assert ask("SELECT count() FROM customers") == [(6,)]


async def test_errors_of_a_table_with_private_columns_do_not_quote_them(
    table: TableSink, declared: Topology, stack: Endpoints, ask: Any
):
    ask("ALTER TABLE customers DROP COLUMN email")
    ask("ALTER TABLE customers ADD COLUMN email Int32")
    sink = TableSink(declared, "customers", Connection(stack.clickhouse), frozenset({"email"}))
    with pytest.raises(Terminal) as caught:
        await sink.apply(block(HELD + 1, HELD + 1), writes(["bob"], HELD + 1))
    assert "the first has <private> (String) in column 'email'" in str(caught.value)
    await sink.close()


async def test_keys_of_a_person_and_of_their_orders_go_fences_stay(
    stack: Endpoints, declared: Topology
):
    sink = RedisSink(declared, stack.redis)
    await sink.start()
    await sink.apply(block(0, HELD), writes(PERSONS))
    client = redis.Redis.from_url(stack.redis, decode_responses=True)
    prefix = declared.redis.prefix
    client.hset(f"{prefix}:{{1}}:order:o-ann", "events", 1)  # a part in another partition
    ids = {"user_id": {"ann"}, "order_id": {"o-ann"}}

    def erase() -> list[Any]:
        eraser = RedisEraser(declared, stack.redis)
        before, deleted, after = (
            [found.left for found in eraser.find("ann", ids)],
            eraser.erase("ann", ids),
            [found.left for found in eraser.find("ann", ids)],
        )
        eraser.close()
        return [before, deleted, after]

    assert await asyncio.to_thread(erase) == [[1, 2], 3, [0, 0]]
    assert set(client.scan_iter(f"{prefix}:*")) == {
        f"{prefix}:{{0}}:{key}"
        for key in ("person:bob", "person:cleo", "order:o-bob", "order:o-cleo", f"fence:{TOPIC}")
    }
    await sink.apply(block(0, HELD), writes(PERSONS))  # in doubt, repeated: the fence has it
    assert not client.exists(f"{prefix}:{{0}}:person:ann")
    await sink.close()


def test_the_first_of_several_producers_makes_the_key(stack: Endpoints):
    prefix = f"t{uuid.uuid4().hex[:10]}"
    one, two = (RedisKeyStore(stack.redis, prefix) for _ in range(2))
    assert one.add({"a": "1", "b": "2"}) == ["1", "2"]
    assert two.add({"b": "3", "c": "4"}) == ["2", "4"]
    assert two.get(["a", "b", "none"]) == ["1", "2", None]
    two.replace("a", "gone")
    assert one.add({"a": "5"}) == ["gone"]
    client = redis.Redis.from_url(stack.redis)
    assert client.ttl(f"{prefix}:keys:a") == -1
    for store in (one, two):
        store.close()


def test_a_redis_that_may_lose_keys_is_told(stack: Endpoints):
    store = RedisKeyStore(stack.redis, "any")
    client = redis.Redis.from_url(stack.redis)
    before = client.config_get("appendfsync")["appendfsync"]
    try:
        client.config_set("appendfsync", "always")
        assert store.faults() == []
        client.config_set("appendfsync", "everysec")
        assert store.faults() == ["appendfsync is 'everysec', should be 'always'"]
    finally:
        client.config_set("appendfsync", before)
        store.close()
