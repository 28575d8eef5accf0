"""The log's records by partition, as blocks."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import datetime
from types import TracebackType

import numpy as np
from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaTP

from headrace.block import Block, Header, TopicPartition
from headrace.errors import Terminal, Transient
from headrace.security import grants
from headrace.security.link import Link

BATCH = 50_000
POLL_S = 0.2
PATIENCE_S = 30.0


class History:
    """What is committed of topics, in order, without joining a group. One thread at a time."""

    def __init__(self, bootstrap: str, *, headers: bool = True) -> None:
        """Without ``headers`` blocks have none: reading them costs a fifth of all reading."""
        self._headers = headers
        self._consumer = Consumer(
            {
                **Link(bootstrap).settings(),
                "group.id": grants.REPLAY_GROUP,  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 3,  # errors only: the rest is raised, or retried
                "isolation.level": "read_committed",
                "fetch.message.max.bytes": 8 << 20,
                "queued.max.messages.kbytes": 32 << 10,
                "queued.min.messages": BATCH,
            }
        )

    def __enter__(self) -> History:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def begin(self, tp: TopicPartition) -> int:
        """The first offset that is there."""
        return self._watermarks(tp)[0]

    def end(self, tp: TopicPartition) -> int:
        """The offset behind the last record that consumers are shown."""
        return self._watermarks(tp)[1]

    def at(self, tp: TopicPartition, moment: datetime) -> int:
        """The first offset whose record was produced then or later; the end if there is none."""
        wanted = KafkaTP(*tp, int(moment.timestamp() * 1000))
        try:
            offset: int = self._consumer.offsets_for_times([wanted], timeout=PATIENCE_S)[0].offset
        except KafkaException as error:
            raise Transient(f"{tp}: Kafka does not answer: {error}") from error
        return offset if offset >= 0 else self.end(tp)

    def blocks(self, tp: TopicPartition, first: int, last: int) -> Iterator[Block]:
        """All records of ``[first..last]``; the blocks' ranges follow each other from ``first``.

        Raises Terminal when retention has taken some of them, Transient when Kafka does not answer.
        """
        if self.begin(tp) > first:
            raise self._gone(tp)
        self._consumer.assign([KafkaTP(*tp, first)])
        heard = time.monotonic()
        while first <= last:
            messages = self._consumer.consume(BATCH, POLL_S)
            if messages and messages[0].error() is None:
                heard = time.monotonic()
            elif time.monotonic() - heard > PATIENCE_S:
                raise Transient(
                    f"{tp}: nothing came for {PATIENCE_S:.0f} s, {first} to {last} were to come"
                )
            records = [m for m in messages if m.error() is None]
            ended = len(records) < len(messages) and self._ended(tp, messages, last)
            while records and records[-1].offset() > last:
                records.pop()
                ended = True
            behind = last + 1 if ended else records[-1].offset() + 1 if records else first
            if behind > first:
                yield self._block(tp, first, behind - 1, records)
            first = behind
        self._consumer.unassign()

    def _ended(self, tp: TopicPartition, messages: list[Message], last: int) -> bool:
        """Whether the end of the partition, which lies behind ``last``, is among them."""
        ended = False
        for message in messages:
            error = message.error()
            if error is None:
                continue
            if error.code() != KafkaError._PARTITION_EOF:
                raise Transient(f"{tp}: {error}")
            # An end before that is where a transaction is still open: it is waited for.
            ended = ended or message.offset() > last
        return ended

    def _block(self, tp: TopicPartition, first: int, last: int, messages: list[Message]) -> Block:
        n = len(messages)
        headers: dict[int, tuple[Header, ...]] = {}
        if self._headers:
            headers = {
                i: tuple((name, value or b"") for name, value in found)
                for i, message in enumerate(messages)
                if (found := message.headers())
            }
        return Block(
            tp.topic,
            tp.partition,
            first,
            last,
            [m.value() for m in messages],
            np.fromiter((m.offset() for m in messages), np.int64, n),
            np.fromiter((m.timestamp()[1] for m in messages), np.int64, n),
            [m.key() for m in messages],
            headers,
        )

    def _watermarks(self, tp: TopicPartition) -> tuple[int, int]:
        try:
            found: tuple[int, int] = self._consumer.get_watermark_offsets(
                KafkaTP(*tp), timeout=PATIENCE_S
            )
        except KafkaException as error:
            raise Transient(f"{tp}: Kafka does not answer: {error}") from error
        return found

    def _gone(self, tp: TopicPartition) -> Terminal:
        return Terminal(
            f"{tp}: retention took records away while they were read: '--discard' the version and "
            f"replay what is left, or let the topic keep more (retention_hours)"
        )
