"""A dead-letter topic, read without joining a group: all of it, or some of its records again."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping
from types import TracebackType

from confluent_kafka import Consumer, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaTP

from headrace.dlq.place import Place
from headrace.errors import ConfigError, HeadraceError, Transient
from headrace.security import grants
from headrace.security.link import Link

BATCH = 1_000
POLL_S = 0.2
PATIENCE_S = 30.0


class DeadLetterLog:
    """Reads what is committed; commits nothing."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Raises ConfigError if the topic does not exist, Transient if Kafka does not answer."""
        self.topic = topic
        link = Link(bootstrap)
        self._consumer = Consumer(
            {
                **link.settings(),
                "group.id": grants.LETTERS_GROUP,  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 3,  # errors only: the rest is raised, or retried
                "isolation.level": "read_committed",
            }
        )
        try:
            found = link.metadata(self._consumer, PATIENCE_S, topic).topics[topic]
        except HeadraceError:
            self._consumer.close()
            raise
        if found.error is not None:
            self._consumer.close()
            raise ConfigError(f"dead-letter topic {topic!r} does not exist: run 'headrace apply'")
        self.partitions = sorted(found.partitions)

    def __enter__(self) -> DeadLetterLog:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._consumer.close()

    def records(self) -> Iterator[Message]:
        """All records up to the ends as they are now, in order by partition."""
        spans = {}
        try:
            for partition in self.partitions:
                spans[partition] = self._consumer.get_watermark_offsets(
                    KafkaTP(self.topic, partition), timeout=PATIENCE_S
                )
        except KafkaException as error:
            raise Transient(f"{self.topic!r}: Kafka does not answer: {error}") from error
        return self._read(spans)

    def pick(self, places: Collection[Place]) -> dict[Place, Message]:
        """The records at ``places``; those that retention has removed are missing.

        What lies between them in a partition is read, too.
        """
        spans: dict[int, tuple[int, int]] = {}
        for partition, offset in places:
            begin, end = spans.get(partition, (offset, offset + 1))
            spans[partition] = min(begin, offset), max(end, offset + 1)
        wanted = set(places)
        found = ((Place(m.partition(), m.offset()), m) for m in self._read(spans))
        return {place: message for place, message in found if place in wanted}

    def _read(self, spans: Mapping[int, tuple[int, int]]) -> Iterator[Message]:
        """The records of ``[begin, end)`` by partition."""
        open_ = {partition: end for partition, (begin, end) in spans.items() if begin < end}
        if not open_:
            return
        self._consumer.assign([KafkaTP(self.topic, p, spans[p][0]) for p in open_])
        heard = time.monotonic()
        while open_:
            messages = self._consumer.consume(BATCH, POLL_S)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > PATIENCE_S:
                raise Transient(f"{self.topic!r} did not answer for {PATIENCE_S:.0f} s")
            for message in messages:
                partition, error = message.partition(), message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise Transient(f"{self.topic!r}[{partition}]: {error}")
                    open_.pop(partition, None)
                elif partition in open_:
                    if message.offset() < open_[partition]:
                        yield message
                    if message.offset() + 1 >= open_[partition]:
                        del open_[partition]
        self._consumer.unassign()
