"""The Redis sink: one fenced script a chunk."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from importlib.resources import files
from typing import Any

from redis.exceptions import NoScriptError, RedisError

from headrace.block import TopicPartition
from headrace.security.redis import connect, look_again
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.writes import Writes
from sinks.redis import eviction
from sinks.redis.errors import ERRORS, classify, demoted
from sinks.redis.keys import Keys
from sinks.redis.pack import Chunk, chunks, digest

SCRIPT = files("sinks.redis").joinpath("apply.lua").read_text(encoding="utf-8")
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
        self._url = url
        self._keys = Keys(topology.redis.prefix)
        self._keyspaces = topology.redis.keyspaces
        self._strict = int(topology.delivery.guarantee == "exactly_once")
        self._topics = {
            topic
            for agent in topology.agents.values()
            if agent.writes.keyspaces
            for topic in agent.reads
        }
        self._client: Any = None
        self._sha = ""
        #: Last offset this process knows applied: a fence below it means Redis lost its tail.
        self._done: dict[TopicPartition, int] = {}

    async def start(self) -> None:
        """See ``Sink``."""
        self._client = connect(self._url)

    async def close(self) -> None:
        """See ``Sink``."""
        if self._client is not None:
            await self._client.aclose()

    def takes(self, topic: str) -> bool:
        """See ``Sink``: topics whose agents write a keyspace."""
        return topic in self._topics

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        """See ``Sink``. Raises Behind when Redis no longer holds what was applied before."""
        cut = await asyncio.to_thread(
            chunks, writes.redis, self._keys, self._keyspaces, block.partition
        )
        plan = digest(cut)
        tp = TopicPartition(block.topic, block.partition)
        try:
            for at in range(0, len(cut), PIPELINE):
                await self._send(block, cut, plan, range(at, min(at + PIPELINE, len(cut))))
        except ERRORS as error:
            if demoted(error):
                await look_again(self._client)
            raise classify(error, f"{block}: redis") from error
        self._done[tp] = max(block.last, self._done.get(tp, -1))
        return self._done[tp]

    async def _send(self, block: BlockRange, cut: list[Chunk], plan: str, numbers: range) -> None:
        if not self._sha:
            self._sha = await self._client.script_load(SCRIPT)
        fence = self._keys.fence(block.partition, block.topic)
        before = self._done.get(TopicPartition(block.topic, block.partition), -1)
        pipeline = self._client.pipeline(transaction=False)
        for number in numbers:
            chunk = cut[number]
            # By name: the cluster's pipeline has the method blocked, the command works.
            pipeline.execute_command(
                "EVALSHA",
                self._sha,
                1 + len(chunk.keys),
                fence,
                *chunk.keys,
                block.last,
                number,
                len(cut),
                min(before, block.first - 1),
                self._strict,
                block.first,
                plan,
                chunk.payload,
            )
        try:
            await _answers(pipeline)
        except NoScriptError:
            self._sha = ""  # the server restarted: load again on the next try
            raise

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        """See ``Sink``: exactly what the fences say. Terminal if Redis may throw fences away."""
        if not tps:
            return {}
        pipeline = self._client.pipeline(transaction=False)
        for tp in tps:
            pipeline.hmget(self._keys.fence(tp.partition, tp.topic), "done", "last")
        try:
            await eviction.check(self._client)
            fences = await _answers(pipeline)
        except ERRORS as error:
            raise classify(error, "redis: watermarks") from error
        marks = {}
        for tp, (done, last) in zip(tps, fences, strict=True):
            marks[tp] = Mark(-1 if done is None else int(done), None if last is None else int(last))
            self._done[tp] = marks[tp].held
        return marks


async def _answers(pipeline: Any) -> list[Any]:
    """Send a pipeline; raises the first error as the server worded it.

    Left to raise by itself, redis-py puts the command in front of the text, and the first word of
    the text is what tells errors apart. Where redis-py fails to follow a cluster's redirect, its
    own error stands among the answers, of any type.
    """
    answers: list[Any] = await pipeline.execute(raise_on_error=False)
    for answer in answers:
        if isinstance(answer, ERRORS):
            raise answer
        if isinstance(answer, Exception):
            raise RedisError(f"could not follow a redirect: {answer!r}") from answer
    return answers
