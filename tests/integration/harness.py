"""Runs the real transport and delivery in this process, with a sink that remembers."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import numpy as np
import polars as pl
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from headrace import app as composition
from headrace.block import Block, TopicPartition
from headrace.clock import SystemClock
from headrace.endpoints import Endpoints
from headrace.errors import Behind, HeadraceError
from headrace.frame import Frame
from headrace.lag import Lag, LagReader
from headrace.security.link import Link
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.writes import Rows, Writes


def echo(frame: Frame) -> Writes:
    """An agent that writes each record's offset and value."""
    return Writes((Rows("out", frame.df),))


def decode(block: Block) -> Frame:
    """Every value is an event: the raw bytes as one column."""
    return Frame(
        block,
        pl.DataFrame(
            {
                "value": pl.Series(list(block.values), dtype=pl.Binary),
                "_partition": np.full(len(block), block.partition, np.int32),
                "_offset": block.offsets,
            }
        ),
    )


class Remembering:
    """A sink that keeps each applied range with its rows, and fails when told to."""

    name = "memory"
    store = "memory"

    def __init__(self) -> None:
        self.applied: list[tuple[BlockRange, list[tuple[int, bytes]]]] = []
        self.fail: Callable[[BlockRange], HeadraceError | None] = lambda _: None
        self.done: dict[TopicPartition, int] = {}
        self.tells = False

    def takes(self, topic: str) -> bool:
        return True

    async def start(self) -> None:
        pass

    async def close(self) -> None:
        pass

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        tp = TopicPartition(block.topic, block.partition)
        if self.tells and self.done.get(tp, -1) < block.first - 1:
            raise Behind(f"{block}: done is {self.done.get(tp)}")
        if any(applied == block for applied, _ in self.applied):
            return block.last  # repeated as it was: what tokens and fences do
        error = self.fail(block)
        if error is not None:
            raise error
        rows = [
            (int(o), bytes(v))
            for r in writes.rows
            for o, v in zip(r.frame["_offset"], r.frame["value"], strict=True)
        ]
        self.applied.append((block, rows))
        self.done[tp] = block.last
        return block.last

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        return {tp: Mark(self.done.get(tp, -1)) for tp in tps}

    def forget_after(self, last: int, partition: int = 0) -> None:
        """Lose everything after an offset; from now on the sink tells how far it is."""
        self.tells = True
        self.applied = [
            (block, kept)
            for block, rows in self.applied
            if (kept := [(o, v) for o, v in rows if block.partition != partition or o <= last])
        ]
        for tp in [tp for tp in self.done if tp.partition == partition]:
            self.done[tp] = last

    def offsets(self, partition: int = 0) -> list[int]:
        return [o for b, rows in self.applied if b.partition == partition for o, _ in rows]


class Pipeline:
    """One topic, one agent, one remembering sink, against a real broker."""

    def __init__(
        self,
        kafka: str,
        root: Path,
        *,
        partitions: int = 1,
        topic_config: Mapping[str, str] | None = None,
        agent: str = "tests.integration.harness:echo",
        dedupe: int | None = None,
        dead_letters: Mapping[str, object] | None = None,
        **delivery: object,
    ) -> None:
        self.kafka = kafka
        self.root = root
        self.topic = f"t-{uuid.uuid4().hex[:8]}"
        self.topology = Topology.model_validate(
            {
                "version": 1,
                "name": f"g-{uuid.uuid4().hex[:8]}",
                "defaults": {"partitions": partitions},
                "topics": {
                    self.topic: {
                        "schema": "any",
                        "key": "k",
                        "dedupe": dedupe and {"key": "value", "window": dedupe},
                    }
                },
                "agents": {
                    "echo": {
                        "function": agent,
                        "reads": [self.topic],
                        "writes": {"tables": ["out"]},
                    }
                },
                "clickhouse": {"tables": {"out": {"topic": self.topic, "order_by": ["value"]}}},
                "delivery": {"max_delay_ms": 20, **delivery},
                "dead_letters": dict(dead_letters or {}),
            }
        )
        self.decode = decode
        self.decode_ids = decode
        self.sink = Remembering()
        self.others: list[Remembering] = []
        admin = AdminClient(Link(kafka).settings())
        for name in (self.topic, f"{self.topic}.dlq"):
            created = admin.create_topics(
                [NewTopic(name, partitions, 1, config=dict(topic_config or {}))]
            )
            created[name].result(30)
        self.runtime: composition.Runtime | None = None

    def produce(self, *values: bytes | None, partition: int = 0) -> None:
        """Send values and wait for the broker."""
        producer = Producer({**Link(self.kafka).settings(), "enable.idempotence": True})
        for value in values:
            producer.produce(self.topic, value, partition=partition)
        assert producer.flush(30) == 0

    def lag(self, partition: int = 0) -> Lag:
        """What the broker says of a partition."""
        tp = TopicPartition(self.topic, partition)
        with LagReader(self.kafka, self.topology.name, [tp]) as reader:
            return reader.read()[tp]

    @asynccontextmanager
    async def running(self) -> AsyncIterator[object]:
        """A worker in this process; yields the Faust app."""
        self.runtime = composition.Runtime(
            self.topology,
            Endpoints(self.kafka, "", ""),
            {self.topic: self.decode},
            [self.sink, *self.others],
            SystemClock(),
            {self.topic: self.decode_ids},
        )
        app = composition.compose(self.runtime, Endpoints(self.kafka, "", ""), self.root)
        await app.start()
        try:
            yield app
        finally:
            await app.stop()

    async def until(self, condition: Callable[[], bool], timeout: float = 20.0) -> None:
        """Wait until a condition holds; fail when it does not in time."""
        async with asyncio.timeout(timeout):
            while not condition():
                await asyncio.sleep(0.02)

    async def drained(self, partition: int = 0) -> None:
        """Wait until the broker says that everything is committed."""
        async with asyncio.timeout(20):
            while (await asyncio.to_thread(self.lag, partition)).behind:
                await asyncio.sleep(0.05)
