"""The dead-letter topics: records that can't be processed, whole, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

from headrace.block import Block, Header
from headrace.errors import Terminal, Transient
from headrace.frame import Bad
from headrace.security.kafka import from_environment
from headrace.transport.credentials import for_aiokafka

MAX_REQUEST_BYTES = 64 << 20
ORIGIN = "headrace."


def headers(block: Block, bad: Bad) -> list[Header]:
    """The record's own headers, then where it came from and why it is here (values UTF-8)."""
    ours = {
        "topic": block.topic,
        "partition": str(block.partition),
        "offset": str(int(block.offsets[bad.index])),
        "timestamp": str(int(block.timestamps[bad.index])),
        "step": bad.step,
        "reason": bad.reason,
        "schema_id": "" if bad.schema_id is None else str(bad.schema_id),
    }
    own = block.headers.get(bad.index, ())
    return [*own, *((ORIGIN + name, value.encode()) for name, value in ours.items())]


class DeadLetterProducer:
    """Implements ``delivery.log.DeadLetters`` with an idempotent producer, acks from all replicas.

    A record is here at least once: a worker that dies between sending and the next commit sends
    it again. ``headrace.topic``, ``.partition`` and ``.offset`` name it, so readers tell.
    """

    def __init__(self, bootstrap: str, suffix: str) -> None:
        self._bootstrap = bootstrap
        self._suffix = suffix
        self._producer: AIOKafkaProducer | None = None

    async def _ready(self) -> AIOKafkaProducer:
        if self._producer is None:
            producer = AIOKafkaProducer(
                bootstrap_servers=self._bootstrap,
                **for_aiokafka(from_environment()),
                enable_idempotence=True,
                compression_type="lz4",
                max_request_size=MAX_REQUEST_BYTES,
            )
            await producer.start()
            self._producer = producer
        return self._producer

    async def send(self, block: Block, bad: Sequence[Bad]) -> None:
        """See ``delivery.log.DeadLetters``."""
        topic = block.topic + self._suffix
        try:
            producer = await self._ready()
            acks = [
                await producer.send(
                    topic,
                    value=block.values[entry.index],
                    key=block.keys[entry.index],
                    headers=headers(block, entry),
                )
                for entry in bad
            ]
            await asyncio.gather(*acks)
        except MessageSizeTooLargeError as error:
            raise Terminal(
                f"{block}: a dead letter is larger than topic {topic!r} takes: {error}; raise the "
                f"topic's max.message.bytes to that of {block.topic!r} and 100 kB more"
            ) from error
        except KafkaError as error:
            raise Transient(f"can't send to {topic!r}: {error!r}") from error

    async def close(self) -> None:
        """Stop the producer, if it ever started."""
        if self._producer is not None:
            await self._producer.stop()
            self._producer = None
