"""States, undo, outbox and due times of the Redis sink, on a real server."""

from __future__ import annotations

import uuid
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from headrace import topology as topologies
from headrace.block import TopicPartition
from headrace.endpoints import Endpoints
from headrace.errors import Behind, Terminal
from headrace.sink import BlockRange
from headrace.topology.model import Topology
from headrace.writes import Outgoing, State, Writes
from sinks.redis.keys import Keys
from sinks.redis.pack import BATCH, CHUNK_OPS, chunks, digest
from sinks.redis.states import READ
from sinks.redis.writer import RedisSink
from tests.keyed import project

ENTRIES, NOTICES = "bank.entries", "bank.notices"

TP = TopicPartition(ENTRIES, 1)


@pytest.fixture
def topology(tmp_path: Path) -> Topology:
    project.write(tmp_path, f"t{uuid.uuid4().hex[:8]}")
    return topologies.load(tmp_path)


@pytest.fixture
def client(stack: Endpoints) -> Any:
    return redis.Redis.from_url(stack.redis)


@pytest.fixture
async def sink(topology: Topology, stack: Endpoints) -> AsyncIterator[RedisSink]:
    made = RedisSink(topology, stack.redis)
    await made.start()
    yield made
    await made.close()


def span(first: int, last: int) -> BlockRange:
    return BlockRange(ENTRIES, 1, first, last)


def states(**values: bytes | None) -> Writes:
    return Writes(state=(State("account", values),))


def many(count: int, value: bytes) -> Writes:
    return Writes(state=(State("account", {f"a{i}": value for i in range(count)}),))


def events(*numbers: int) -> list[Outgoing]:
    return [Outgoing(NOTICES, b"k%d" % n, b"v%d" % n) for n in numbers]


async def read(sink: RedisSink, block: BlockRange, *keys: str, before: int = -1) -> Any:
    found = await sink.states.read(block, before, {"account": keys})
    return found and found["account"]


async def begin(sink: RedisSink, block: BlockRange, writes: Writes, count: int) -> int:
    """Send the first chunks of a block, as a worker that dies; returns how many there are."""
    cut = chunks(writes, sink.states._keys, {}, block, sink._timed)
    await sink._send(block, cut, digest(cut), range(count))
    return len(cut)


async def test_what_is_applied_is_read_and_what_is_forgotten_is_not(sink: RedisSink):
    assert await read(sink, span(0, 9), "a", "b") == {}
    await sink.apply(span(0, 9), states(a=b"1", b=b"2"))
    assert await read(sink, span(10, 19), "a", "b", "c", before=9) == {"a": b"1", "b": b"2"}
    await sink.apply(span(10, 19), states(a=None, b=b"\x00\xff|"))
    assert await read(sink, span(20, 29), "a", "b") == {"b": b"\x00\xff|"}


async def test_of_an_applied_block_nothing_is_read(sink: RedisSink):
    await sink.apply(span(0, 9), states(a=b"1"))
    assert await read(sink, span(0, 9), "a") is None
    assert await read(sink, span(0, 5), "a") is None


async def test_a_server_that_lost_its_tail_says_so(sink: RedisSink):
    await sink.apply(span(0, 9), states(a=b"1"))
    with pytest.raises(Behind, match="done=9 before=19"):
        await read(sink, span(20, 29), "a", before=19)


@pytest.mark.parametrize("left", [1, 3])
async def test_a_block_applied_in_part_is_read_as_before_its_first_chunk(
    sink: RedisSink, topology: Topology, client: Any, left: int
):
    count = 4 * CHUNK_OPS
    keys = [f"a{i}" for i in range(count + 2)]
    await sink.apply(span(0, 9), many(count - 5, b"old"))
    before = await read(sink, span(10, 19), *keys)
    total = await begin(sink, span(10, 19), many(count, b"new"), left)
    assert left < total
    assert client.get(Keys(topology.redis.prefix).data(1, "account", "a0")) == b"new"
    assert await read(sink, span(10, 19), *keys) == before
    await sink.apply(span(10, 19), many(count, b"new"))
    after = await read(sink, span(20, 29), *keys)
    assert after == dict.fromkeys(keys[:count], b"new")
    assert not client.exists(Keys(topology.redis.prefix).undo(1, ENTRIES))


async def test_states_that_a_block_forgets_come_back_when_it_is_repeated(sink: RedisSink):
    count = 2 * CHUNK_OPS
    await sink.apply(span(0, 9), many(count, b"old"))
    gone = Writes(state=(State("account", {f"a{i}": None for i in range(count)}),))
    await begin(sink, span(10, 19), gone, 1)
    found = await read(sink, span(10, 19), *(f"a{i}" for i in range(count)))
    assert len(found) == count
    await sink.apply(span(10, 19), gone)
    assert await read(sink, span(20, 29), "a0", f"a{count - 1}") == {}


async def test_more_states_than_one_script_reads(sink: RedisSink):
    count = 9 * READ + 1
    await sink.apply(span(0, 9), many(count, b"x" * 10))
    assert len(await read(sink, span(10, 19), *(f"a{i}" for i in range(count)))) == count


async def test_an_undo_of_another_block_is_not_taken(sink: RedisSink):
    """At-least-once may leave a block in part and begin another."""
    await sink.apply(span(0, 9), states(a0=b"old"))
    await begin(sink, span(10, 19), many(2 * CHUNK_OPS, b"new"), 1)
    assert (await read(sink, span(10, 14), "a0")) == {"a0": b"new"}


async def test_offsets_that_were_set_aside_are_told_by_block(sink: RedisSink):
    await sink.apply(span(0, 9), Writes(aside=[3, 9]))
    await sink.apply(span(10, 19), Writes(aside=[10]))
    assert await sink.states.aside(span(0, 9)) == [3, 9]
    assert await sink.states.aside(span(10, 19)) == [10]


async def test_events_come_out_in_order_and_once(sink: RedisSink):
    numbers = range(3 * BATCH + 7)
    writes = Writes(outgoing=events(*numbers))
    for _ in range(2):
        await sink.apply(span(0, 9), writes)
    found = []
    while pending := await sink.states.outbox(TP):
        found += [one.event for one in pending]
        await sink.states.sent(TP, pending)
    assert found == events(*numbers)


async def test_only_what_was_sent_is_removed(sink: RedisSink):
    await sink.apply(span(0, 9), Writes(outgoing=events(1, 2, 3)))
    late = await sink.states.outbox(TP)
    await sink.states.sent(TP, late[:2])
    await sink.apply(span(10, 19), Writes(outgoing=events(4)))
    await sink.states.sent(TP, late)  # a worker that was paused, and sent all three
    assert [one.event for one in await sink.states.outbox(TP)] == events(4)
    await sink.states.sent(TP, late)
    assert [one.event for one in await sink.states.outbox(TP)] == events(4)


async def test_large_events_are_read_in_parts(sink: RedisSink):
    large = [replace(event, value=b"x" * (1 << 20)) for event in events(*range(9))]
    await sink.apply(span(0, 9), Writes(outgoing=large))
    assert 4 <= len(await sink.states.outbox(TP)) < 9


async def test_due_times_follow_the_states(sink: RedisSink):
    async def due(now: int) -> list[tuple[str, int]]:
        return await sink.states.due(TP, "account", now, 10)

    await sink.apply(
        span(0, 9),
        Writes(state=(State("account", {"a": b"1", "b": b"1", "c": b"1"}, {"a": 5, "b": 3}),)),
    )
    assert (await due(2), await due(4), await due(9)) == ([], [("b", 3)], [("b", 3), ("a", 5)])
    await sink.apply(
        span(10, 19), Writes(state=(State("account", {"a": b"1", "c": b"2"}, {"c": 7}),))
    )
    assert await due(9) == [("b", 3), ("c", 7)]
    await sink.apply(span(20, 29), states(b=None))
    assert await due(9) == [("c", 7)]


async def test_a_key_of_another_type_is_refused_before_anything_changes(
    sink: RedisSink, topology: Topology, client: Any
):
    keys = Keys(topology.redis.prefix)
    client.set(keys.outbox(1, ENTRIES), "no list")
    with pytest.raises(Terminal, match=r"WRONGTYPE.*outbox"):
        await sink.apply(span(0, 9), replace(states(a=b"1"), outgoing=events(1)))
    assert not client.exists(keys.data(1, "account", "a"), keys.fence(1, ENTRIES))
