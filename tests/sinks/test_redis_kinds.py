"""Redis ends in the state that the sink in memory ends in, bit for bit, however the log is cut."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import polars as pl
import pytest
import redis
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from headrace.endpoints import Endpoints
from headrace.memory import Key, MemorySink
from headrace.topology.model import Topology
from headrace.writes import Kind, RedisOps, Writes, combine
from sinks.redis.keys import Keys
from sinks.redis.writer import RedisSink
from tests.sinks.place import declare, span

KEEP = 3
#: Kind → its keyspace, and the columns of an update with strategies that make collisions likely.
NAMES = st.text("ab|:é\x00 ", max_size=2)
ENTITIES = st.sampled_from(["e1", "e2", "{x}:é"])
#: As ``declared.decay`` makes them: 16 significant bits and a bounded exponent, so sums are exact.
SCORES = st.builds(lambda m, e: m * 2.0**e, st.integers(2**15, 2**16 - 1), st.integers(-20, 0))
VERSIONS = st.builds("{:013d}.{:015d}".format, st.integers(0, 3), st.integers(0, 9))
COLUMNS: dict[Kind, tuple[str, dict[str, Any], dict[str, Any]]] = {
    Kind.ADD: (
        "counts",
        {"field": pl.String, "delta": pl.Int64},
        {"field": NAMES, "delta": st.integers(-3, 3) | st.integers(-(2**46), 2**46)},
    ),
    Kind.RING: (
        "rings",
        {"field": pl.String, "bucket": pl.Int64, "delta": pl.Int64},
        {"field": NAMES, "bucket": st.integers(-2, 4), "delta": st.integers(-9, 2**46)},
    ),
    Kind.LAST: (
        "lasts",
        {"field": pl.String, "value": pl.String, "version": pl.String},
        {"field": NAMES, "value": NAMES, "version": VERSIONS},
    ),
    Kind.MAX: (
        "tops",
        {"member": pl.String, "score": pl.Float64},
        {"member": NAMES, "score": st.floats(allow_nan=False) | st.integers(0, 3).map(float)},
    ),
    Kind.ADD_FLOAT: (
        "floats",
        {"member": pl.String, "score": pl.Float64},
        {"member": NAMES, "score": SCORES},
    ),
}
Update = tuple[Kind, dict[str, Any]]


def update(kind: Kind) -> st.SearchStrategy[Update]:
    fields = st.fixed_dictionaries({"id": ENTITIES, **COLUMNS[kind][2]})
    return st.tuples(st.just(kind), fields)


def unique_versions(updates: list[Update]) -> list[Update]:
    """A version names one record, so two values never share one: make offsets the position."""
    return [
        (kind, row | {"version": f"{row['version'][:13]}.{i:015d}"} if kind is Kind.LAST else row)
        for i, (kind, row) in enumerate(updates)
    ]


LOGS = st.lists(st.one_of(*map(update, Kind)), min_size=1, max_size=40).map(unique_versions)
CUTS = st.lists(st.integers(1, 39), max_size=6)


def ops(updates: Sequence[Update]) -> list[RedisOps]:
    """One RedisOps an update, in log order, as several agents could emit them."""
    made = []
    for kind, row in updates:
        keyspace, types, _ = COLUMNS[kind]
        frame = pl.DataFrame([row], schema={"id": pl.String, **types})
        made.append(RedisOps(kind, keyspace, frame, KEEP if kind is Kind.MAX else None))
    return made


def blocks(updates: Sequence[Update], cuts: list[int]) -> list[tuple[int, int, Writes]]:
    """The log cut at these places: (first, last, combined writes)."""
    edges = sorted({0, len(updates), *(c for c in cuts if c < len(updates))})
    return [(a, b - 1, Writes(redis=tuple(combine(ops(updates[a:b]))))) for a, b in pairwise(edges)]


def bits(number: float) -> str:
    return struct.pack(">d", number).hex()


def held(client: Any, topology: Topology) -> dict[Key, dict[str, Any]]:
    """Contents of Redis in the form of MemorySink.redis, floats as their bits."""
    found: dict[Key, dict[str, Any]] = {}
    keys = Keys(topology.redis.prefix)
    for kind, (keyspace, _, _) in COLUMNS.items():
        for entity in ("e1", "e2", "{x}:é"):
            key = keys.data(0, keyspace, entity)
            if client.exists(key):
                found[0, keyspace, entity] = (
                    {m.decode(): bits(s) for m, s in client.zrange(key, 0, -1, withscores=True)}
                    if kind in (Kind.MAX, Kind.ADD_FLOAT)
                    else {
                        f.decode(): _value(kind, v.decode()) for f, v in client.hgetall(key).items()
                    }
                )
    return found


def _value(kind: Kind, raw: str) -> Any:
    if kind is Kind.ADD:
        return int(raw)
    if kind is Kind.RING:
        bucket, total = raw.split(":")
        return int(bucket), int(total)
    version, _, value = raw.partition("|")
    return version, value


def expected(memory: MemorySink) -> dict[Key, dict[str, Any]]:
    return {
        key: {f: bits(v) if isinstance(v, float) else v for f, v in fields.items()}
        for key, fields in memory.redis.items()
    }


@pytest.fixture(scope="module")
def topology(tmp_path_factory: pytest.TempPathFactory) -> Topology:
    return declare(tmp_path_factory.mktemp("kinds"))


def apply(stack: Endpoints, topology: Topology, work: list[tuple[int, int, Writes]]) -> None:
    async def run() -> None:
        sink = RedisSink(topology, stack.redis)
        await sink.start()
        for first, last, writes in work:
            await sink.apply(span(first, last), writes)
        await sink.close()

    asyncio.run(run())


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(updates=LOGS, cuts=CUTS, other=CUTS, again=st.integers(0, 6))
def test_redis_equals_memory_however_cut_and_repeated(
    stack: Endpoints,
    topology: Topology,
    updates: list[Update],
    cuts: list[int],
    other: list[int],
    again: int,
):
    client = redis.Redis.from_url(stack.redis)
    memory = MemorySink()
    for first, last, writes in blocks(updates, other):
        memory.take(span(first, last), writes)
    for key in client.scan_iter(f"{topology.redis.prefix}:*"):
        client.delete(key)
    work = blocks(updates, cuts)
    event(f"{len(work)} blocks")
    repeated = work + work[-1 - again % len(work) :]
    apply(stack, topology, repeated)
    assert held(client, topology) == expected(memory)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(SCORES | st.floats(1, 2**52, width=32).map(round).map(float), min_size=1))
def test_float_sums_are_the_same_in_any_order(
    stack: Endpoints, topology: Topology, scores: list[float]
):
    """Values that add exactly in doubles: in Redis too, whatever text they pass through."""
    scores = [s for s in scores if s < 2**32]
    client = redis.Redis.from_url(stack.redis)
    key = Keys(topology.redis.prefix)
    for entity, order in (("e1", scores), ("e2", scores[::-1])):
        client.delete(key.data(0, "floats", entity))
        client.delete(key.fence(0, "events"))
        updates = [(Kind.ADD_FLOAT, {"id": entity, "member": "m", "score": s}) for s in order]
        apply(stack, topology, blocks(updates, list(range(1, 40, 3))))
    results = [client.zscore(key.data(0, "floats", e), "m") for e in ("e1", "e2")]
    assert results[0] == results[1] == (sum(scores) if scores else None)
