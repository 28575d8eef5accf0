"""What state by key costs: ``python -m bench.keyed [--events N] [--json]``.

A counter by key, on decoded blocks: states read, counted, written under the fence, and with events
one for every tenth of a key, through the outbox to Kafka. On the real Redis and Kafka; CPU is that
of this process, which is the worker's part.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import struct
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml
from rich.console import Console
from rich.table import Table

from headrace import agent as agents
from headrace import stack, topology
from headrace.block import Block, TopicPartition
from headrace.cli.apply import apply_all
from headrace.delivery.keyed import KeyedPartition
from headrace.endpoints import Endpoints
from headrace.frame import Frame
from headrace.keyed.encode import encoders
from headrace.metrics import Metrics
from headrace.schema.register import register
from headrace.schemas import registry_of
from headrace.sink import BlockRange
from headrace.topology.model import Topology
from headrace.transport.emitter import KafkaEmitter
from headrace.writes import Emit, State, Writes
from sinks.redis.writer import RedisSink

TOPIC, TOLD = "bench.keyed", "bench.told"
EVERY = 10
COUNT = struct.Struct("<q")
#: Keys, rows a block, whether events are emitted.
CASES = (
    (1_000, 65_536, False),
    (100_000, 65_536, False),
    (100_000, 4_096, False),
    (100_000, 65_536, True),
    (100_000, 4_096, True),
)


def count(frame: Frame, states: Mapping[str, bytes]) -> Writes:
    """Events by key so far; counted by column, merged with what is kept by key."""
    found = frame.df.group_by("user", maintain_order=True).len()
    before = [COUNT.unpack(states[u])[0] if u in states else 0 for u in found["user"]]
    return Writes(state=(_kept("counts", found, before),))


def tell(frame: Frame, states: Mapping[str, bytes]) -> Writes:
    """The same, and an event for every tenth of a key."""
    found = frame.df.group_by("user", maintain_order=True).len()
    before = [COUNT.unpack(states[u])[0] if u in states else 0 for u in found["user"]]
    events = [
        {"event_id": f"{user}:{at}", "user": user, "count": at}
        for user, new, old in zip(found["user"], found["len"], before, strict=True)
        for at in range((old // EVERY + 1) * EVERY, old + new + 1, EVERY)
    ]
    return Writes(events=(Emit(TOLD, events),), state=(_kept("told", found, before),))


def _kept(keyspace: str, found: pl.DataFrame, before: list[int]) -> State:
    users, new = found["user"].to_list(), found["len"].to_list()
    return State(
        keyspace,
        {u: COUNT.pack(n + old) for u, n, old in zip(users, new, before, strict=True)},
    )


@dataclass(frozen=True, slots=True)
class Result:
    """One case. Rates are events a second; ``told`` how many events were emitted."""

    keys: int
    rows: int
    emits: bool
    per_cpu_second: float
    per_second: float
    told: int


def declare(root: Path) -> Topology:
    """A topic, one that is told, and an agent with state for each kind of case."""
    fields: list[dict[str, Any]] = [
        {"name": "event_id", "type": "string"},
        {"name": "user", "type": "string"},
        {"name": "count", "type": "long"},
    ]
    (root / "schemas").mkdir()
    spec = {"type": "record", "name": "Count", "fields": fields}
    (root / "schemas/counts.avsc").write_text(json.dumps(spec))
    register(root / "schemas")
    topic = {"schema": "counts", "key": "user", "dedupe": {"key": "event_id", "window": 1_000}}
    declared = {
        "version": 1,
        "name": "bench",
        "topics": {TOPIC: topic, TOLD: topic},
        "agents": {
            "count": {
                "function": f"{__name__}:count",
                "reads": [TOPIC],
                "state": {"keyspace": "counts", "key": "user"},
            },
            "tell": {
                "function": f"{__name__}:tell",
                "reads": [TOPIC],
                "state": {"keyspace": "told", "key": "user"},
                "writes": {"topics": [TOLD]},
            },
        },
        "clickhouse": {"tables": {}},
        "redis": {"keyspaces": {n: {"type": "state", "located": True} for n in ("counts", "told")}},
    }
    (root / "topology.yaml").write_text(yaml.safe_dump(declared))
    return topology.load(root)


def frames(events: int, keys: int, rows: int, first: int) -> Iterator[Frame]:
    """Decoded blocks of users drawn evenly, behind offset ``first``."""
    drawn = np.random.default_rng(7).integers(0, keys, events)
    users = pl.Series("user", drawn).cast(pl.String)
    empty = np.empty(0, np.int64)
    for at in range(0, events, rows):
        part = users[at : at + rows]
        last = first + at + len(part) - 1
        block = Block(TOPIC, 0, first + at, last, [], empty, empty, [])
        offsets = np.arange(first + at, last + 1)
        yield Frame(block, pl.DataFrame({"user": part, "_offset": offsets}))


async def deliver(sink: RedisSink, keyed: KeyedPartition, frame: Frame) -> int:
    """One block as delivery has it; returns how many events it emitted."""
    block = frame.block
    span = BlockRange(block.topic, block.partition, block.first, block.last)
    ((name, agent),) = keyed.stateful.items()
    states = await keyed.read(span, block.first - 1, frame)
    assert states is not None, name
    writes = await asyncio.to_thread(agent.run, frame, states[agent.keyspace])
    await sink.apply(span, writes.combined())
    if writes.outgoing:
        await keyed.relay(_owned)
    return len(writes.outgoing)


async def _owned() -> None:
    """Nobody else is there."""


async def measure(root: Path, declared: Topology, where: Endpoints, events: int) -> list[Result]:
    """All cases, one after the other, on one partition."""
    sink, emitter = RedisSink(declared, where.redis), KafkaEmitter(where.kafka)
    await sink.start()
    stateful = agents.stateful(declared, encoders(declared, registry_of(root, declared)))
    results, first = [], 0
    for keys, rows, emits in CASES:
        name = "tell" if emits else "count"
        one = {name: stateful[name]}
        part = KeyedPartition(TopicPartition(TOPIC, 0), sink.states, emitter, one, Metrics())
        made = list(frames(events, keys, rows, first))
        began, cpu, told = time.perf_counter(), time.process_time(), 0
        for frame in made:
            told += await deliver(sink, part, frame)
        cpu, wall = time.process_time() - cpu, time.perf_counter() - began
        results.append(Result(keys, rows, emits, events / cpu, events / wall, told))
        first += events
    await sink.close()
    await emitter.close()
    return results


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, stack.running(Path(folder)) as where:
        declared = declare(Path(folder))
        apply_all(Path(folder), declared, where)
        results = asyncio.run(measure(Path(folder), declared, where, options.events))
    if options.json:
        print(json.dumps([asdict(result) for result in results]))
        return
    table = Table("keys", "rows a block", "emits", "events/CPU-s", "events/s", title="keyed state")
    for result in results:
        told = f"1 of {options.events / result.told:.0f}" if result.told else "nothing"
        table.add_row(
            f"{result.keys:,}", f"{result.rows:,}", told,
            f"{result.per_cpu_second:,.0f}", f"{result.per_second:,.0f}",
        )  # fmt: skip
    Console().print(table)


if __name__ == "__main__":
    main()
