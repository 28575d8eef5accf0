"""The log's side of history: what is committed of any partitions, read in bulk, nothing skipped."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaTP

from headrace.block import Block, TopicPartition
from headrace.client.ranges import committed_only, partitions_of
from headrace.closing import Closing
from headrace.errors import Terminal, Transient
from headrace.security import grants
from headrace.security.link import Link
from headrace.transport.buffer import PartitionBuffer
from headrace.transport.bulk import Bulk, NoLonger

MAX_ROWS = 65_536
MAX_BYTES = 32 << 20
POLL_S = 0.2
PATIENCE_S = 30.0


@dataclass(frozen=True, slots=True)
class Read:
    """What was read of one partition at once: a block, or that its end was reached.

    ``end`` is then the offset of what will be written next.
    """

    tp: TopicPartition
    block: Block | None
    end: int | None = None


class Log(Closing):
    """Kafka's topics. Joins no group and commits nothing. Methods raise Transient, ConfigError."""

    def __init__(self, bootstrap: str) -> None:
        self._link = Link(bootstrap)
        self._consumer = Consumer(committed_only(self._link, grants.ARCHIVE_GROUP))

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def partitions(self, topic: str) -> list[TopicPartition]:
        """A topic's partitions; raises ConfigError if it does not exist."""
        numbers = partitions_of(self._link, self._consumer, topic)
        return [TopicPartition(topic, number) for number in numbers]

    def range(self, tp: TopicPartition) -> tuple[int, int]:
        """``[begin, end)``: where the log begins now, and behind what is committed."""
        try:
            begin, end = self._consumer.get_watermark_offsets(KafkaTP(*tp), timeout=PATIENCE_S)
        except KafkaException as error:
            self._link.raise_refusal()
            raise Transient(f"{tp}: Kafka does not answer: {error}") from error
        return begin, end

    def at(self, tp: TopicPartition, moment_ms: int) -> int:
        """The first offset whose record was produced then or later; the end if none was."""
        try:
            (found,) = self._consumer.offsets_for_times(
                [KafkaTP(*tp, moment_ms)], timeout=PATIENCE_S
            )
        except KafkaException as error:
            self._link.raise_refusal()
            raise Transient(f"{tp}: Kafka does not answer: {error}") from error
        return int(found.offset) if found.offset >= 0 else self.range(tp)[1]

    def read(self, starts: Mapping[TopicPartition, int]) -> Iterator[Read | None]:
        """What is committed from these offsets on, for ever; None when nothing came for a while.

        Raises Terminal when a start lies before the log's beginning, or retention overtook us.
        """
        buffers = {tp: PartitionBuffer(tp, offset) for tp, offset in starts.items()}
        ends: dict[TopicPartition, int] = {}
        with Bulk(self._link.bootstrap, starts) as bulk:
            while True:
                try:
                    fetched = bulk.fetch(MAX_ROWS, POLL_S)
                except NoLonger as gone:
                    begin, _ = self.range(gone.tp)
                    raise Terminal(lost(gone.tp, buffers[gone.tp].position, begin)) from gone
                told = False
                for tp, part in fetched.items():
                    buffers[tp].add(part, 0.0)
                for tp, buffer in buffers.items():
                    while buffer.rows:
                        told = True
                        yield Read(tp, buffer.cut(MAX_ROWS, MAX_BYTES, 0.0))
                    end = bulk.end(tp)
                    if end is not None and buffer.position >= end > ends.get(tp, -1):
                        told = True
                        ends[tp] = buffer.position
                        yield Read(tp, None, buffer.position)
                if not told:
                    yield None

    def blocks(self, tp: TopicPartition, first: int, last: int) -> Iterator[Block]:
        """Records ``[first..last]`` in Blocks of at most 65,536, which join on each other.

        They cover the range, except for an end without a record. Raises Terminal when the log does
        not reach back to ``first``, Transient when ``last`` is not there, for example because a
        transaction is open, and does not come for half a minute.
        """
        if first > last:
            return
        begin, _ = self.range(tp)
        if first < begin:
            raise Terminal(lost(tp, first, min(begin, last + 1)))
        heard = time.monotonic()
        for read in self.read({tp: first}):
            if read is not None:
                heard = time.monotonic()
                block = read.block
                if block is not None and block.first <= last:
                    part = block if block.last <= last else block.split(last)[0]
                    if len(part):
                        yield part
                if (block is None and (read.end or 0) > last) or (block and block.last >= last):
                    return
            elif time.monotonic() - heard > PATIENCE_S:
                raise Transient(
                    f"{tp}: nothing came for {PATIENCE_S:.0f} s; offset {last} is not there yet"
                )


def lost(tp: TopicPartition, first: int, behind: int) -> str:
    """The text for offsets ``[first, behind)`` that nobody has any more."""
    return (
        f"{tp}: offsets {first} to {behind - 1} are neither in the archive nor in the log: "
        f"retention has removed them"
    )
