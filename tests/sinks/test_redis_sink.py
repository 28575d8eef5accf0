"""The fence, faults and time to live of the Redis sink, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import redis

from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import Behind, ConfigError, Terminal, Transient
from headrace.security.redis import connect
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.writes import NOTHING, Kind, RedisOps, Writes
from sinks.redis.errors import classify
from sinks.redis.keys import Keys
from sinks.redis.pack import CHUNK_OPS, chunks, digest
from sinks.redis.scripts import source
from sinks.redis.writer import RedisSink
from tests.sinks.place import OTHER, TOPIC, counts, declare, span

TP = TopicPartition(TOPIC, 0)


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    return declare(tmp_path)


@pytest.fixture
def client(stack: Endpoints) -> Any:
    return redis.Redis.from_url(stack.redis, decode_responses=True)


@pytest.fixture
async def sink(topology: Topology, stack: Endpoints) -> AsyncIterator[RedisSink]:
    made = RedisSink(topology, stack.redis)
    await made.start()
    yield made
    await made.close()


def users(count: int, kind: Kind = Kind.ADD, keyspace: str = "counts") -> RedisOps:
    """One update to each of many keys."""
    frame = pl.DataFrame({"id": [f"u{i}" for i in range(count)]})
    columns = {
        Kind.ADD: [pl.lit("n").alias("field"), pl.lit(1).alias("delta")],
        Kind.MAX: [pl.lit("m").alias("member"), pl.lit(1.0).alias("score")],
        Kind.ADD_FLOAT: [pl.lit("m").alias("member"), pl.lit(1.0).alias("score")],
    }
    return RedisOps(kind, keyspace, frame.with_columns(columns[kind]))


def key(topology: Topology, keyspace: str, entity: str) -> str:
    return Keys(topology.redis.prefix).data(0, keyspace, entity)


def send(client: Any, topology: Topology, block: BlockRange, op: RedisOps, numbers: range) -> int:
    """Send some of a block's chunks by hand, as a worker does that dies behind them."""
    keys = Keys(topology.redis.prefix)
    cut = chunks(Writes(redis=[op]), keys, topology.redis.keyspaces, block)
    for number in numbers:
        chunk = cut[number]
        client.eval(
            source("apply.lua"),
            1 + len(chunk.keys),
            keys.fence(block.partition, block.topic),
            *chunk.keys,
            block.last,
            number,
            len(cut),
            -1,
            1,
            block.first,
            digest(cut),
            chunk.payload,
            chunk.undo,
        )
    return len(cut)


@pytest.mark.parametrize("sent", [1, 2, 4])
async def test_a_block_that_a_dead_worker_began_is_finished_once(
    sink: RedisSink, client: Any, topology: Topology, sent: int
):
    op = users(5_000)
    total = send(client, topology, span(0, 9), op, range(sent))
    assert total > 4
    assert await sink.watermarks([TP]) == {TP: Mark(-1, begun=9)}
    await sink.apply(span(0, 9), Writes(redis=(op,)))
    assert {client.hget(key(topology, "counts", f"u{i}"), "n") for i in range(5_000)} == {"1"}
    assert await sink.watermarks([TP]) == {TP: Mark(9)}
    assert client.hgetall(Keys(topology.redis.prefix).fence(0, TOPIC)) == {"done": "9"}


async def test_another_block_may_not_overtake_one_begun(
    sink: RedisSink, client: Any, topology: Topology
):
    send(client, topology, span(0, 9), users(5_000), range(2))
    with pytest.raises(Behind, match=r"events\[0\]@0-12.*begun=9 last=12"):
        await sink.apply(span(0, 12), Writes(redis=(users(3),)))


async def test_a_block_begun_is_told_so_that_it_can_be_finished(
    sink: RedisSink, client: Any, topology: Topology
):
    await sink.apply(span(0, 4), NOTHING)
    send(client, topology, span(5, 9), users(5_000), range(2))
    assert await sink.watermarks([TP]) == {TP: Mark(4, begun=9)}


async def test_other_code_may_not_finish_what_was_begun(
    sink: RedisSink, client: Any, topology: Topology
):
    send(client, topology, span(0, 9), users(5_000), range(2))
    with pytest.raises(Terminal, match=r"former version.*"):
        await sink.apply(span(0, 9), Writes(redis=(users(5_001),)))
    await sink.apply(span(0, 9), Writes(redis=(users(5_000),)))
    assert client.hget(key(topology, "counts", "u0"), "n") == "1"


async def test_a_block_that_is_there_in_part_is_refused(sink: RedisSink, client: Any):
    await sink.apply(span(0, 9), Writes(redis=(counts(span(0, 9)),)))
    with pytest.raises(Terminal, match=r"STRADDLES done=9 first=5"):
        await sink.apply(span(5, 14), Writes(redis=(counts(span(5, 14)),)))


async def test_a_chunk_too_early_changes_nothing(client: Any, topology: Topology):
    with pytest.raises(redis.ResponseError, match="ORDER chunk=2 expected=0"):
        send(client, topology, span(0, 9), users(5_000), range(2, 3))
    assert not list(client.scan_iter(f"{topology.redis.prefix}:*"))


async def test_a_fence_that_lost_its_tail_is_behind(
    sink: RedisSink, client: Any, topology: Topology
):
    for first in (0, 10):
        block = span(first, first + 9)
        await sink.apply(block, Writes(redis=(counts(block),)))
    fence = Keys(topology.redis.prefix).fence(0, TOPIC)
    client.hset(fence, "done", 9)  # a replica took over that had only the first block
    with pytest.raises(Behind, match=r"done=9 before=19"):
        await sink.apply(span(20, 29), NOTHING)
    assert await sink.watermarks([TP]) == {TP: Mark(9)}
    await sink.apply(span(10, 19), NOTHING)  # caught up
    await sink.apply(span(20, 29), NOTHING)
    assert await sink.watermarks([TP]) == {TP: Mark(29)}


async def test_a_repeated_older_block_does_not_hide_a_lost_tail(
    sink: RedisSink, client: Any, topology: Topology
):
    for first in (0, 10, 0):
        block = span(first, first + 9)
        await sink.apply(block, Writes(redis=(counts(block),)))
    client.hset(Keys(topology.redis.prefix).fence(0, TOPIC), "done", 9)
    with pytest.raises(Behind):
        await sink.apply(span(20, 29), NOTHING)


async def test_a_server_that_forgot_the_script_gets_it_again(
    sink: RedisSink, client: Any, topology: Topology
):
    await sink.apply(span(0, 9), Writes(redis=(users(1),)))
    client.script_flush()
    with pytest.raises(Transient, match="NoScript"):
        await sink.apply(span(10, 19), Writes(redis=(users(1),)))
    await sink.apply(span(10, 19), Writes(redis=(users(1),)))
    assert client.hget(key(topology, "counts", "u0"), "n") == "2"


@pytest.mark.parametrize(
    ("keyspace", "kind", "hours"),
    [("tops", Kind.MAX, 1), ("floats", Kind.ADD_FLOAT, None), ("counts", Kind.ADD, None)],
)
async def test_time_to_live_is_the_keyspaces(
    sink: RedisSink, client: Any, topology: Topology, keyspace: str, kind: Kind, hours: int | None
):
    await sink.apply(span(0, 9), Writes(redis=(users(2, kind, keyspace),)))
    left = client.ttl(key(topology, keyspace, "u1"))
    assert left == -1 if hours is None else hours * 3600 - 60 < left <= hours * 3600
    assert client.ttl(Keys(topology.redis.prefix).fence(0, TOPIC)) == -1


@pytest.mark.parametrize(
    ("keyspace", "kind"),
    [("counts", Kind.ADD), ("tops", Kind.MAX), ("floats", Kind.ADD_FLOAT)],
)
async def test_a_key_of_a_wrong_type_stops_the_block_before_it_changes_anything(
    sink: RedisSink, client: Any, topology: Topology, keyspace: str, kind: Kind
):
    wrong = key(topology, keyspace, "u7")
    client.set(wrong, "a string")
    ops = [users(10), users(10, kind, keyspace)][: 1 if kind is Kind.ADD else 2]
    writes = Writes(redis=ops)
    with pytest.raises(Terminal, match=r"events\[0\]@0-9: redis: Redis refused: WRONGTYPE .*u7"):
        await sink.apply(span(0, 9), writes)
    assert list(client.scan_iter(f"{topology.redis.prefix}:*")) == [wrong]
    client.delete(wrong)
    await sink.apply(span(0, 9), writes)
    assert client.hget(key(topology, "counts", "u0"), "n") == "1"


@pytest.mark.parametrize("kind", [Kind.ADD, Kind.RING, Kind.LAST])
async def test_a_foreign_value_stops_the_block_before_it_changes_anything(
    sink: RedisSink, client: Any, topology: Topology, kind: Kind
):
    columns = {"field": "n", "delta": 1, "bucket": 1, "value": "v", "version": "1"}
    needed = {
        Kind.ADD: ["field", "delta"],
        Kind.RING: ["field", "bucket", "delta"],
        Kind.LAST: ["field", "value", "version"],
    }[kind]
    frame = pl.DataFrame([{"id": i} | {c: columns[c] for c in needed} for i in ("a", "b")])
    wrong = key(topology, "lasts", "b")
    client.hset(wrong, "n", "what?")
    with pytest.raises(Terminal, match=r"FOREIGN .*lasts:b: field n"):
        await sink.apply(span(0, 9), Writes(redis=(RedisOps(kind, "lasts", frame),)))
    assert not client.exists(key(topology, "lasts", "a"))
    assert client.hget(wrong, "n") == "what?"


async def test_a_counter_stops_where_doubles_stop_counting(
    sink: RedisSink, client: Any, topology: Topology
):
    def add(delta: int) -> Writes:
        frame = pl.DataFrame({"id": ["u"], "field": ["n"], "delta": [delta]})
        return Writes(redis=(RedisOps(Kind.ADD, "counts", frame),))

    await sink.apply(span(0, 0), add(2**53 - 1))
    await sink.apply(span(1, 1), add(1))
    with pytest.raises(Terminal, match=r"RANGE .*counts:u: field n"):
        await sink.apply(span(2, 2), add(2**60))
    assert client.hget(key(topology, "counts", "u"), "n") == str(2**53)


@pytest.mark.parametrize("kind", [Kind.MAX, Kind.ADD_FLOAT])
async def test_nan_is_refused(sink: RedisSink, client: Any, topology: Topology, kind: Kind):
    frame = pl.DataFrame({"id": ["u", "u"], "member": ["a", "b"], "score": [1.0, float("nan")]})
    with pytest.raises(Terminal, match="NAN"):
        await sink.apply(span(0, 0), Writes(redis=(RedisOps(kind, "tops", frame),)))
    assert not client.exists(key(topology, "tops", "u"))


async def test_one_key_with_more_updates_than_a_chunk_and_than_luas_stack(
    sink: RedisSink, client: Any, topology: Topology
):
    n = 20_000
    assert n > CHUNK_OPS
    frame = pl.DataFrame({"id": ["u"] * n, "member": [f"m{i}" for i in range(n)]})
    scored = frame.with_columns(score=pl.int_range(n).cast(pl.Float64))
    counters = frame.rename({"member": "field"}).with_columns(delta=pl.lit(1))
    writes = Writes(
        redis=(
            RedisOps(Kind.MAX, "tops", scored, 50),
            RedisOps(Kind.ADD_FLOAT, "floats", scored),
            RedisOps(Kind.ADD, "counts", counters),
        )
    )
    await sink.apply(span(0, n - 1), writes)
    assert client.zcard(key(topology, "tops", "u")) == 50
    assert client.zcard(key(topology, "floats", "u")) == n
    assert client.zscore(key(topology, "floats", "u"), "m777") == 777.0
    assert client.hlen(key(topology, "counts", "u")) == n


def test_a_topic_that_writes_no_keyspace_is_not_its_business(sink: RedisSink):
    assert sink.takes(TOPIC)
    assert not sink.takes(OTHER)


def test_each_key_is_in_one_chunk_and_chunks_are_the_same_every_time(topology: Topology):
    def cut() -> list[Any]:
        ops = [users(4_000), users(2_000, Kind.MAX, "tops")]
        return chunks(Writes(redis=ops), Keys("p"), topology.redis.keyspaces, span(0, 0, 3))

    keys = [name for chunk in cut() for name in chunk.keys]
    assert len(keys) == len(set(keys)) == 6_000
    assert all(name.startswith("p:{3}:") for name in keys)
    assert cut() == cut()
    assert len(cut()) > 2


@pytest.mark.parametrize(
    ("reply", "policy"),
    [
        ("LOADING Redis is loading the dataset in memory", Transient),
        ("READONLY You can't write against a read only replica.", Transient),
        ("OOM command not allowed when used memory > 'maxmemory'.", Transient),
        ("MASTERDOWN Link with MASTER is down", Transient),
        ("NOPERM this user has no permissions", Terminal),
        ("WRONGPASS invalid username-password pair", Terminal),
        ("ERR unknown command", Terminal),
    ],
)
def test_replies_carry_a_policy(reply: str, policy: type[Exception]):
    assert type(classify(redis.ResponseError(reply), "here")) is policy


@pytest.mark.parametrize("url", ["http://h:1", "redis+cluster://h", "h:6379"])
def test_an_address_of_no_known_form(url: str):
    with pytest.raises(ConfigError, match=r"HEADRACE_REDIS: .*h"):
        connect(url)
