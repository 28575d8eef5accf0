"""What the Redis sink keeps besides features: states by key, the outbox, due times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgpack

from headrace.block import TopicPartition
from headrace.keyed.store import Pending
from headrace.sink import BlockRange
from headrace.writes import Outgoing
from sinks.redis.errors import ERRORS, classify
from sinks.redis.keys import Keys
from sinks.redis.pack import DIGEST_BYTES
from sinks.redis.scripts import Server

#: States read by one script, about a millisecond of the server's time.
READ = 1_000
#: Scripts sent before the first answer is read.
PIPELINE = 8
#: What is read of an outbox at once.
OUTBOX_EVENTS, OUTBOX_BYTES = 2_000, 4 << 20


class RedisStates:
    """Implements ``headrace.keyed.store.KeyedStore`` for what ``RedisSink`` writes."""

    def __init__(self, name: str, server: Server, keys: Keys) -> None:
        self.name = name
        self._server = server
        self._keys = keys

    async def read(
        self, block: BlockRange, before: int, wanted: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, bytes]] | None:
        """See ``KeyedStore``."""
        places = [(keyspace, id_) for keyspace, ids in wanted.items() for id_ in ids]
        fence = self._keys.fence(block.partition, block.topic)
        undo = self._keys.undo(block.partition, block.topic)
        arguments = (block.last, min(before, block.first - 1))
        held: dict[str, dict[str, bytes]] = {keyspace: {} for keyspace in wanted}
        for at in range(0, len(places), READ * PIPELINE):
            parts = [
                places[first : first + READ]
                for first in range(at, min(at + READ * PIPELINE, len(places)), READ)
            ]
            calls = [
                ([fence, undo, *(self._keys.data(block.partition, *p) for p in part)], arguments)
                for part in parts
            ]
            found = await self._server.run(f"{block}: states", "states.lua", calls)
            for part, values in zip(parts, found, strict=True):
                if values is None:
                    return None
                for (keyspace, id_), value in zip(part, values, strict=True):
                    if value is not None:
                        held[keyspace][id_] = value
        return held

    async def aside(self, block: BlockRange) -> list[int]:
        """See ``KeyedStore``."""
        key = self._keys.aside(block.partition, block.topic)
        try:
            found = await self._server.client.zrangebyscore(key, block.first, block.last)
        except ERRORS as error:
            raise classify(error, f"{block}: records set aside") from error
        return [int(offset) for offset in found]

    async def outbox(self, tp: TopicPartition) -> list[Pending]:
        """See ``KeyedStore``."""
        call = ([self._keys.outbox(tp.partition, tp.topic)], (OUTBOX_EVENTS, OUTBOX_BYTES))
        (entries,) = await self._server.run(f"{tp}: outbox", "outbox.lua", [call])
        return [
            Pending(entry[:DIGEST_BYTES], Outgoing(*msgpack.unpackb(entry[DIGEST_BYTES:])))
            for entry in entries
        ]

    async def sent(self, tp: TopicPartition, pending: Sequence[Pending]) -> None:
        """See ``KeyedStore``."""
        digests = b"".join(one.digest for one in pending)
        call = ([self._keys.outbox(tp.partition, tp.topic)], (DIGEST_BYTES, digests))
        await self._server.run(f"{tp}: outbox", "sent.lua", [call])

    async def due(
        self, tp: TopicPartition, keyspace: str, now_ms: int, most: int
    ) -> list[tuple[str, int]]:
        """See ``KeyedStore``."""
        key = self._keys.due(tp.partition, keyspace)
        try:
            found = await self._server.client.zrangebyscore(
                key, "-inf", now_ms, start=0, num=most, withscores=True
            )
        except ERRORS as error:
            raise classify(error, f"{tp}: due times") from error
        return [(id_.decode(), int(due)) for id_, due in found]
