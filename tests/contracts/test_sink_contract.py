"""What every sink promises (``headrace.sink.Sink``), on every sink."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import clickhouse_connect
import polars as pl
import pytest
import redis

from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import Terminal, Transient
from headrace.memory import MemorySink
from headrace.sink import Mark, Sink
from headrace.writes import NOTHING, Kind, RedisOps, Rows, Writes
from sinks.clickhouse.migrate import Migration
from sinks.clickhouse.writer import Connection, TableSink
from sinks.redis.writer import RedisSink
from tests.sinks.place import TOPIC, both, declare, span
from tests.stack.nobody import nobody_listens

Held = Counter[tuple[int, int]]  # (partition, offset) → how often it was applied


class Case:
    """A store, sinks over it, and a look into it that is not the sink's."""

    def __init__(
        self, make: Callable[[], Sink], held: Callable[[], Held], wrong: Writes | None = None
    ) -> None:
        self.make = make
        self.held = held
        self.wrong = wrong
        self.lost: Sink | None = None  # one whose server is not there


def memory_case() -> Case:
    sink = MemorySink()

    def held() -> Held:
        return Counter((r["_partition"], r["_offset"]) for r in sink.tables["events"])

    return Case(lambda: sink, held)


def redis_case(stack: Endpoints, root: Path) -> Case:
    topology = declare(root)
    client = redis.Redis.from_url(stack.redis, decode_responses=True)

    def held() -> Held:
        found: Held = Counter()
        for partition in range(4):
            counters: Any = client.hgetall(f"{topology.redis.prefix}:{{{partition}}}:counts:all")
            found.update({(partition, int(f)): int(n) for f, n in counters.items()})
        return found

    client.sadd(f"{topology.redis.prefix}:{{0}}:counts:a-set", "x")
    one = pl.DataFrame({"id": ["a-set"], "field": ["f"], "delta": [1]})
    case = Case(
        lambda: RedisSink(topology, stack.redis),
        held,
        Writes(redis=(RedisOps(Kind.ADD, "counts", one),)),
    )
    case.lost = RedisSink(topology, f"redis://127.0.0.1:{nobody_listens()}/0")
    return case


def clickhouse_case(stack: Endpoints, root: Path) -> Case:
    topology = declare(root)
    migration = Migration(topology, root, stack.clickhouse)
    migration.apply()
    migration.close()
    client: Any = clickhouse_connect.get_client(dsn=stack.clickhouse)
    database = topology.clickhouse.database

    def held() -> Held:
        select = f"SELECT _partition, _offset, count() FROM {database}.events GROUP BY ALL"
        found = Counter({(p, o): n for p, o, n in client.query(select).result_rows})
        seen = client.query(f"SELECT sum(events) FROM {database}.by_user").first_row[0]
        assert seen == found.total()  # the view has what the table has
        return found

    case = Case(
        lambda: TableSink(topology, "events", Connection(stack.clickhouse)),
        held,
        Writes((Rows("events", pl.DataFrame({"no_such_column": [1]})),)),
    )
    nowhere = Connection(f"http://127.0.0.1:{nobody_listens()}")
    case.lost = TableSink(topology, "events", nowhere)
    return case


@pytest.fixture(params=["memory", "redis", "clickhouse"])
def case(request: pytest.FixtureRequest, tmp_path: Path) -> Case:
    if request.param == "memory":
        return memory_case()
    stack: Endpoints = request.getfixturevalue("stack")
    return (redis_case if request.param == "redis" else clickhouse_case)(stack, tmp_path)


@pytest.fixture
async def sink(case: Case) -> AsyncIterator[Sink]:
    made = case.make()
    await made.start()
    yield made
    await made.close()


def once(*blocks: Any) -> Held:
    return Counter((b.partition, offset) for b in blocks for offset in range(b.first, b.last + 1))


async def test_applied_is_visible(case: Case, sink: Sink):
    await sink.apply(span(0, 9), both(span(0, 9)))
    assert case.held() == once(span(0, 9))


async def test_a_repeated_block_changes_nothing(case: Case, sink: Sink):
    for _ in range(3):
        await sink.apply(span(5, 14), both(span(5, 14)))
    assert case.held() == once(span(5, 14))


async def test_a_block_repeated_by_another_process_changes_nothing(case: Case, sink: Sink):
    await sink.apply(span(0, 9), both(span(0, 9)))
    other = case.make()
    await other.start()
    await other.apply(span(0, 9), both(span(0, 9)))
    await other.apply(span(10, 19), both(span(10, 19)))
    await sink.apply(span(10, 19), both(span(10, 19)))
    await other.close()
    assert case.held() == once(span(0, 19))


async def test_an_older_block_changes_nothing(case: Case, sink: Sink):
    blocks = [span(0, 9), span(10, 10), span(13, 40)]  # with a gap
    for block in [*blocks, *blocks, blocks[0]]:
        await sink.apply(block, both(block))
    assert case.held() == once(*blocks)


async def test_one_block_sent_twice_at_the_same_time_counts_once(case: Case, sink: Sink):
    other = case.make()
    await other.start()
    block = span(0, 99)
    await asyncio.gather(*(s.apply(block, both(block)) for s in (sink, other)))
    await other.close()
    assert case.held() == once(block)


async def test_partitions_at_the_same_time(case: Case, sink: Sink):
    async def partition(number: int) -> None:
        for first in range(0, 100, 20):
            block = span(first, first + 19, number)
            await sink.apply(block, both(block))
            await sink.apply(block, both(block))

    await asyncio.gather(*map(partition, range(4)))
    assert case.held() == once(*(span(0, 99, number) for number in range(4)))


async def test_watermarks_say_what_is_held_and_apply_says_the_same(case: Case, sink: Sink):
    tps = [TopicPartition(TOPIC, 0), TopicPartition(TOPIC, 1)]
    assert sink.takes(TOPIC)
    assert await sink.watermarks(tps) == dict.fromkeys(tps, Mark(-1))
    assert await sink.apply(span(0, 9), both(span(0, 9))) == 9
    said = await sink.apply(span(10, 12), NOTHING)
    assert said in (None, 12)  # a table can't hold a block without rows
    fresh = case.make()
    await fresh.start()
    assert await fresh.watermarks(tps) == {tps[0]: Mark(said or 9), tps[1]: Mark(-1)}
    await fresh.close()
    assert await sink.watermarks([]) == {}


async def test_a_block_without_writes(case: Case, sink: Sink):
    await sink.apply(span(0, 9), NOTHING)
    await sink.apply(span(10, 19), both(span(10, 19)))
    assert case.held() == once(span(10, 19))


async def test_what_can_never_work_is_terminal_and_leaves_the_block_to_come(case: Case, sink: Sink):
    if case.wrong is None:
        pytest.skip("nothing is wrong for a sink in memory")
    with pytest.raises(Terminal, match=r"events\[0\]@0-9"):
        await sink.apply(span(0, 9), case.wrong)
    await sink.apply(span(0, 9), both(span(0, 9)))
    assert case.held() == once(span(0, 9))


async def test_a_server_that_is_not_there_is_transient(case: Case):
    if case.lost is None:
        pytest.skip("a sink in memory has no server")
    await case.lost.start()
    for _ in range(2):
        with pytest.raises(Transient, match=r"events\[0\]@0-9"):
            await case.lost.apply(span(0, 9), both(span(0, 9)))
    await case.lost.close()


async def test_close_without_use_is_quiet(case: Case):
    made = case.make()
    await made.close()
    await made.start()
    await made.close()
