"""The Redis sink: one fenced script a chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from typing import Any

from headrace.block import TopicPartition
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.writes import Writes
from sinks.redis import eviction
from sinks.redis.errors import ERRORS, classify
from sinks.redis.keys import Keys
from sinks.redis.pack import Chunk, chunks, digest
from sinks.redis.scripts import Server, answers
from sinks.redis.states import RedisStates

#: Chunks sent before the first answer is read.
PIPELINE = 8


class RedisSink:
    """Implements ``headrace.sink.Sink``.

    A block becomes chunks, each a script that changes data and fence together; a chunk that was
    applied is a no-op.
    """

    name = "redis"
    store = "redis"

    def __init__(self, topology: Topology, url: str) -> None:
        self._keys = Keys(topology.redis.prefix)
        self._keyspaces = topology.redis.keyspaces
        self._strict = int(topology.delivery.guarantee == "exactly_once")
        agents = topology.agents.values()
        self._topics = {
            topic
            for agent in agents
            if agent.keyspaces or agent.writes.topics
            for topic in agent.reads
        }
        self._timed = {agent.state.keyspace for agent in agents if agent.state and agent.timer}
        self._server = Server(url)
        #: What else is kept here, and written by ``apply``.
        self.states = RedisStates(self.name, self._server, self._keys)
        #: Last offset this process knows applied: a fence below it means Redis lost its tail.
        self._done: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """See ``Sink``."""
        await self._server.start()

    async def close(self) -> None:
        """See ``Sink``."""
        await self._server.close()

    def takes(self, topic: str) -> bool:
        """See ``Sink``: topics whose agents write a keyspace, keep state or emit events."""
        return topic in self._topics

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        """See ``Sink``. Raises Behind when Redis no longer holds what was applied before."""
        cut = await asyncio.to_thread(
            chunks, writes, self._keys, self._keyspaces, block, self._timed
        )
        plan = digest(cut)
        for at in range(0, len(cut), PIPELINE):
            await self._send(block, cut, plan, range(at, min(at + PIPELINE, len(cut))))
        tp = TopicPartition(block.topic, block.partition)
        self._done[tp] = max(block.last, self._done.get(tp, -1))
        return self._done[tp]

    async def _send(self, block: BlockRange, cut: list[Chunk], plan: str, numbers: range) -> None:
        fence = self._keys.fence(block.partition, block.topic)
        before = self._done.get(TopicPartition(block.topic, block.partition), -1)
        calls: list[tuple[list[str], list[Any]]] = [
            (
                [fence, *cut[number].keys],
                [
                    block.last,
                    number,
                    len(cut),
                    min(before, block.first - 1),
                    self._strict,
                    block.first,
                    plan,
                    cut[number].payload,
                    cut[number].undo,
                ],
            )
            for number in numbers
        ]
        await self._server.run(f"{block}: redis", "apply.lua", calls)

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        """See ``Sink``: exactly what the fences say. Terminal if Redis may throw fences away."""
        if not tps:
            return {}
        pipeline = self._server.client.pipeline(transaction=False)
        for tp in tps:
            pipeline.hmget(self._keys.fence(tp.partition, tp.topic), "done", "last")
        try:
            await eviction.check(self._server.client)
            fences = await answers(pipeline)
        except ERRORS as error:
            raise classify(error, "redis: watermarks") from error
        marks = {}
        for tp, (done, last) in zip(tps, fences, strict=True):
            marks[tp] = Mark(-1 if done is None else int(done), None if last is None else int(last))
            self._done[tp] = marks[tp].held
        return marks
