"""Declarations in the real Redis and ClickHouse, blocks sent twice: what plain Python says."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from random import Random
from typing import Any

import polars as pl
import pytest

from headrace import agent as agents
from headrace import topology as topologies
from headrace.declared import batch, reading
from headrace.declared.plan import Plan
from headrace.declared.planned import planned
from headrace.endpoints import Endpoints
from headrace.frame import Frame
from headrace.memory import Key
from headrace.schema import Registry
from headrace.serve.readers import ClickHouseReader, RedisReader
from headrace.sink import BlockRange
from headrace.testing import Project
from headrace.topology.model import Topology
from headrace.writes import NOTHING, Writes, combine
from sinks.clickhouse.migrate import Migration
from sinks.factory import make_sinks
from tests.declared import held, oracle
from tests.declared.cases import DECLARED
from tests.declared.place import ORDERS, REQUESTS, SESSIONS, plain, write
from tests.declared.test_laws import shown, times
from tests.strategies import DAY_MS, Event, event, line

EVENTS = 300
PARTITIONS = 2


def events(topic: str, random: Random, partition: int) -> list[Event]:
    """Late, out of order, with equal times, some twice; a user is in one partition."""
    made = []
    for _ in range(EVENTS):
        at = random.choice([0, 1, -1, 59_999, random.randint(-40 * DAY_MS, DAY_MS)])
        fields: dict[str, Any] = {"user_id": random.choice(["u", 'é|\\"']) + str(partition)}
        if topic == ORDERS:
            fields |= {
                "type": random.choice(["placed", "paid"]),
                "order_id": f"o{random.randint(0, 9)}",
                "region": random.choice(["apac", "eu_west"]),
                "total": f"{random.choice([0, 10, 99, 9_999_999_999])}.{random.randint(0, 99):02}",
                "carrier": random.choice([None, "post", "bike"]),
                "refund_amount": random.choice([None, "0.01", "9.99"]),
                "lines": [
                    line(f"p{i}", random.choice("ct"), random.randint(1, 3), "1234567890.12")
                    for i in range(random.randint(0, 3))
                ],
            }
        elif topic == SESSIONS:
            fields |= {
                "type": random.choice(["product_view", "cart_add", "search"]),
                "product_id": random.choice([None, "p1", "p2"]),
                "category": random.choice([None, "c"]),
                "quantity": random.choice([None, 1, 5]),
                "unit_price": random.choice([None, "0.07"]),
            }
        else:
            fields |= {
                "tenant": random.choice(["t|1", "t"]),
                "route": random.choice(["|1", "1\\"]),
                "status": random.choice([200, 500]),
                "latency_us": random.choice([0, 2**62, random.randint(0, 9_999)]),
            }
        made.append(event(topic, at, **fields))
    return [*made, *made[:20]]


async def deliver(topology: Topology, stack: Endpoints, frames: list[Frame]) -> None:
    """Each block twice, in order."""
    functions = agents.functions(topology)
    sinks = make_sinks(topology, stack)
    for sink in sinks:
        await sink.start()
    try:
        for frame in frames:
            block = frame.block
            where = BlockRange(block.topic, block.partition, block.first, block.last)
            writes = sum((functions[n](frame) for n in topology.agents_of(frame.topic)), NOTHING)
            combined = Writes(writes.rows, combine(writes.redis))
            for _ in range(2):
                await asyncio.gather(
                    *(sink.apply(where, combined) for sink in sinks if sink.takes(frame.topic))
                )
    finally:
        for sink in sinks:
            await sink.close()


def keys(stack: Endpoints, topology: Topology) -> dict[Key, dict[str, Any]]:
    """All of Redis, in the form of ``MemorySink``."""
    reader = RedisReader(stack.redis, topology.redis.prefix, topology.redis.keyspaces)
    found: dict[Key, dict[str, Any]] = {}
    try:
        for partition, keyspace, entity, pairs in reader.entries():
            is_set = topology.redis.keyspaces[keyspace].type == "zset"
            found[partition, keyspace, entity] = {f: _value(v, is_set) for f, v in pairs}
    finally:
        reader.close()
    return found


def _value(text: str, is_set: bool) -> Any:
    if is_set:
        return float(text)
    if "|" in text:
        return tuple(text.split("|", 1))
    if ":" in text:
        bucket, total = text.split(":")
        return int(bucket), int(total)
    return int(text)


def windows(view: pl.DataFrame, plan: Plan) -> pl.DataFrame:
    """Arrow has ClickHouse's DateTime as seconds and its Date as days."""
    if plan.begins is None:
        return view
    name = plan.begins.window.name
    if plan.begins.window.calendar:
        return view.with_columns(pl.col(name).cast(pl.Int32).cast(pl.Date))
    seconds = pl.col(name).cast(pl.Int64) * 1_000
    return view.with_columns(seconds.cast(pl.Datetime("ms", "UTC")))


@pytest.mark.timeout(300)
def test_both_stores_hold_what_plain_python_says(tmp_path: Path, stack: Endpoints):
    name = f"d{uuid.uuid4().hex[:8]}"
    config = plain(DECLARED)
    config["clickhouse"] = {**config["clickhouse"], "database": name}
    config["redis"] = {"prefix": name}
    folder = write(tmp_path, config)
    topology, project, registry = topologies.load(folder), Project(folder), Registry.load(folder)
    migration = Migration(topology, folder, stack.clickhouse)
    migration.apply()
    migration.close()
    random = Random(7)
    frames, log = [], []
    for topic in (ORDERS, SESSIONS, REQUESTS):
        for partition in range(PARTITIONS):
            part = events(topic, random, partition)
            log += [oracle.Record(topic, partition, i, one) for i, one in enumerate(part)]
            for a in range(0, len(part), 70):
                frames.append(project.frame(topic, part[a : a + 70], partition, a))
    asyncio.run(deliver(topology, stack, frames))
    in_redis = keys(stack, topology)
    reader = ClickHouseReader(stack.clickhouse, name)
    try:
        for declared in DECLARED:
            plan = planned(topology, registry, declared)
            expected = shown(declared, times(oracle.table(DECLARED[declared], log), "since"))
            offline = batch.table(topology, registry, declared, [(f.topic, f.df) for f in frames])
            assert held.rows(offline) == expected, declared
            if declared in topology.clickhouse.views:
                view = windows(reader.frame(reading.select(plan)), plan)
                assert held.rows(view) == expected, declared
            if declared in topology.agents:
                expected = [
                    row for row in expected if any(map(row.get, DECLARED[declared]["fields"]))
                ]
                assert held.from_redis(plan, in_redis) == expected, declared
    finally:
        reader.close()
