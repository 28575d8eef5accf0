"""Ranges of a topic read to their ends, without joining a group; nothing is committed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from itertools import chain
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaTP

from headrace.closing import Closing
from headrace.errors import ConfigError, HeadraceError, Transient
from headrace.security.link import Link

BATCH = 10_000
POLL_S = 0.2
PATIENCE_S = 30.0

#: ``[begin, end)`` by partition.
Ranges = Mapping[int, tuple[int, int]]


def committed_only(link: Link, group: str) -> dict[str, Any]:
    """Settings of a consumer that reads to ends, commits nothing, and whose group is only named."""
    return {
        **link.settings(),
        "group.id": group,
        "enable.auto.commit": False,
        "enable.partition.eof": True,
        "log_level": 3,  # errors only: the rest is raised, or retried
        "isolation.level": "read_committed",
    }


def partitions_of(link: Link, consumer: Consumer, topic: str, what: str = "topic") -> list[int]:
    """A topic's partitions; raises ConfigError if it does not exist, Transient."""
    found = link.metadata(consumer, PATIENCE_S, topic).topics[topic]
    if found.error is not None:
        raise ConfigError(f"{what} {topic!r} does not exist: run 'headrace apply'")
    return sorted(found.partitions)


class RangeReader(Closing):
    """Reads what is committed of one topic; ``partitions`` are those that it has."""

    def __init__(self, bootstrap: str, topic: str, group: str, what: str = "topic") -> None:
        """``group`` is named and never joined; ``what`` the topic is, for errors.

        Raises ConfigError if the topic does not exist or the credentials are refused, Transient if
        Kafka does not answer.
        """
        self.topic = topic
        link = Link(bootstrap)
        self._consumer = Consumer(committed_only(link, group))
        try:
            self.partitions = partitions_of(link, self._consumer, topic, what)
        except HeadraceError:
            self._consumer.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def all(self) -> dict[int, tuple[int, int]]:
        """All that is in the topic now. Raises Transient."""
        try:
            return {
                partition: self._consumer.get_watermark_offsets(
                    KafkaTP(self.topic, partition), timeout=PATIENCE_S
                )
                for partition in self.partitions
            }
        except KafkaException as error:
            raise Transient(f"{self.topic!r}: Kafka does not answer: {error}") from error

    def records(self, ranges: Ranges) -> Iterator[Message]:
        """The records of the ranges, in order by partition. Raises Transient."""
        return chain.from_iterable(self.batches(ranges))

    def batches(self, ranges: Ranges) -> Iterator[list[Message]]:
        """The same, some of one partition at a time. Raises Transient.

        What retention has removed is passed over, and so is the rest of a range that goes past the
        end of the log.
        """
        open_ = {partition: end for partition, (begin, end) in ranges.items() if begin < end}
        if not open_:
            return
        self._consumer.assign([KafkaTP(self.topic, p, ranges[p][0]) for p in open_])
        heard = time.monotonic()
        while open_:
            messages = self._consumer.consume(BATCH, POLL_S)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > PATIENCE_S:
                raise Transient(f"{self.topic!r} did not answer for {PATIENCE_S:.0f} s")
            yield from self._sorted(messages, open_)
        self._consumer.unassign()

    def _sorted(self, messages: list[Message], open_: dict[int, int]) -> Iterator[list[Message]]:
        """Records by partition that lie before its end in ``open_``; what has ended leaves it."""
        by_partition: dict[int, list[Message]] = {}
        for message in messages:
            partition, error = message.partition(), message.error()
            if error is not None:
                if error.code() != KafkaError._PARTITION_EOF:
                    raise Transient(f"{self.topic!r}[{partition}]: {error}")
                open_.pop(partition, None)
            elif partition in open_:
                if message.offset() < open_[partition]:
                    by_partition.setdefault(partition, []).append(message)
                if message.offset() + 1 >= open_[partition]:
                    del open_[partition]
        yield from by_partition.values()
