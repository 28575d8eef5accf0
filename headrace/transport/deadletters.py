"""The dead-letter topics: records that can't be processed, whole, with the reason."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, MessageSizeTooLargeError

import headrace
from headrace import headers as names
from headrace.block import Block, Header
from headrace.clock import Clock
from headrace.errors import Terminal, Transient
from headrace.frame import Bad
from headrace.schema import framing
from headrace.security.kafka import from_environment
from headrace.transport.credentials import for_aiokafka

MAX_REQUEST_BYTES = 64 << 20
#: Characters of a reason: an exception's text may hold a whole value.
MAX_REASON = 2_000


def headers(block: Block, bad: Bad, now_ms: int) -> list[Header]:
    """The record's own headers, then where it came from and why it is here (values UTF-8).

    Own headers of these names are replaced; a redriven record's ``attempts`` counts on.
    """
    carried = block.headers.get(bad.index, ())
    schema_id = bad.schema_id
    if schema_id is None:
        schema_id = framing.schema_id(block.values[bad.index])
    reason = bad.reason
    if len(reason) > MAX_REASON:
        reason = f"{reason[:MAX_REASON]}… ({len(bad.reason)} characters)"
    ours = {
        names.TOPIC: block.topic,
        names.PARTITION: str(block.partition),
        names.OFFSET: str(int(block.offsets[bad.index])),
        names.TIMESTAMP: str(int(block.timestamps[bad.index])),
        names.STEP: bad.step,
        names.REASON: reason,
        names.ERROR: bad.error,
        names.AGENT: bad.agent,
        names.SCHEMA_ID: "" if schema_id is None else str(schema_id),
        names.FIRST_SEEN: str(now_ms),
        names.WORKER: headrace.__version__,
        names.ATTEMPTS: str(names.attempts(names.texts(carried)) + 1),
    }
    # An exception's text may hold what UTF-8 can't: a lone surrogate must not stop the worker.
    encoded = ((name, text.encode(errors="backslashreplace")) for name, text in ours.items())
    own = (header for header in carried if header[0] not in names.LETTER)
    return [*own, *encoded]


class DeadLetterProducer:
    """Implements ``delivery.log.DeadLetters`` with an idempotent producer, acks from all replicas.

    A record is here at least once: a worker that dies between sending and the next commit sends
    it again. ``headrace.topic``, ``.partition`` and ``.offset`` name it, so readers tell.

    aiokafka holds one unsent batch a partition and makes ``send`` wait, so what a block needs here
    beside its own values does not grow with their size.
    """

    def __init__(self, bootstrap: str, suffix: str, clock: Clock) -> None:
        self._bootstrap = bootstrap
        self._suffix = suffix
        self._clock = clock
        self._producer: AIOKafkaProducer | None = None
        self._starting = asyncio.Lock()

    async def _ready(self) -> AIOKafkaProducer:
        async with self._starting:  # blocks of many partitions may have their first at once
            if self._producer is None:
                producer = AIOKafkaProducer(
                    bootstrap_servers=self._bootstrap,
                    **for_aiokafka(from_environment()),
                    enable_idempotence=True,
                    compression_type="lz4",
                    max_request_size=MAX_REQUEST_BYTES,
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
            return self._producer

    async def send(self, block: Block, bad: Sequence[Bad]) -> None:
        """See ``delivery.log.DeadLetters``."""
        topic = block.topic + self._suffix
        now_ms = self._clock.now_ms()
        try:
            producer = await self._ready()
            acks = []
            for entry in bad:
                key, value = block.keys[entry.index], block.values[entry.index]
                if entry.kept is not None:
                    key, value = entry.kept.key, entry.kept.value
                told = headers(block, entry, now_ms)
                acks.append(await producer.send(topic, value=value, key=key, headers=told))
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
