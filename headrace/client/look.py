"""A topic's events as they come, decoded."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaTP

from headrace.client.decoded import DecodedEvents
from headrace.client.ranges import RangeReader
from headrace.errors import ConfigError, Transient
from headrace.private.ring import KeyRing
from headrace.security import grants
from headrace.security.link import Link
from headrace.topology.model import Topology

BATCH = 500
POLL_S = 0.2
PATIENCE_S = 15.0
#: How far before the end of a partition its newest record is looked for: the end may be markers of
#: transactions.
TAIL = 16


class Tap:
    """Reads a topic without joining a group or committing anything.

    Private fields are hidden; with a key ring they are shown in clear where it has the key.
    """

    def __init__(
        self,
        root: Path,
        topology: Topology,
        topic: str,
        bootstrap: str,
        ring: KeyRing | None = None,
    ) -> None:
        self._decoded = DecodedEvents(root, topology, topic, ring)
        self._topic = topic
        self._link = Link(bootstrap)
        self._consumer = Consumer(
            {
                **self._link.settings(),
                "group.id": grants.TAP_GROUP,  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "log_level": 3,  # errors only: the rest is raised, or retried
                "isolation.level": "read_committed",
            }
        )

    @property
    def opened(self) -> frozenset[str]:
        """Persons whose private values were decrypted so far."""
        return self._decoded.opened

    def start(self, last: int | None, partition: int | None) -> None:
        """Begin at the end, or ``last`` records before it in each partition (0: the beginning)."""
        needed = [
            grants.Grant(grants.READ, grants.TOPIC, self._topic),
            grants.Grant(grants.DESCRIBE, grants.GROUP, grants.TAP_GROUP),
        ]
        grants.check(self._link.bootstrap, needed)
        try:
            metadata = self._link.metadata(self._consumer, PATIENCE_S, self._topic)
            found = metadata.topics[self._topic]
            if found.error is not None:
                raise ConfigError(f"topic {self._topic!r} does not exist: run 'headrace apply'")
            if partition is not None and partition not in found.partitions:
                raise ConfigError(
                    f"--partition {partition}: {self._topic!r} has partitions 0 to "
                    f"{len(found.partitions) - 1}"
                )
            wanted = [partition] if partition is not None else sorted(found.partitions)
            starts = []
            for number in wanted:
                tp = KafkaTP(self._topic, number)
                begin, end = self._consumer.get_watermark_offsets(tp, timeout=PATIENCE_S)
                at = end if last is None else begin if last == 0 else max(begin, end - last)
                starts.append(KafkaTP(self._topic, number, at))
            self._consumer.assign(starts)
        except KafkaException as error:
            raise Transient(f"Kafka does not answer: {error}") from error

    def events(self, stop: threading.Event) -> Iterator[dict[str, Any]]:
        """Events as JSON-ready dictionaries with ``_partition``, ``_offset``, ``_timestamp`` (ms).

        A record that can't be decoded comes with ``_bad``: why; a tombstone with ``_tombstone``.
        """
        while not stop.is_set():
            messages = [m for m in self._consumer.consume(BATCH, POLL_S) if m.error() is None]
            by_partition: dict[int, list[Message]] = {}
            for message in messages:
                by_partition.setdefault(message.partition(), []).append(message)
            for batch in by_partition.values():
                yield from self._decoded.of(batch)

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def newest(root: Path, topology: Topology, topic: str, bootstrap: str) -> dict[str, Any] | None:
    """A topic's newest event, by its records' timestamps, with private fields hidden.

    Records that can't be decoded and tombstones are passed over. None when there is no event near
    the ends of the partitions. Raises ConfigError, Transient.
    """
    decoded = DecodedEvents(root, topology, topic)
    with RangeReader(bootstrap, topic, grants.TAP_GROUP) as reader:
        tails = {p: (max(begin, end - TAIL), end) for p, (begin, end) in reader.all().items()}
        found = [event for batch in reader.batches(tails) for event in decoded.of(batch)]
    events = (event for event in found if "_bad" not in event and "_tombstone" not in event)
    return max(events, key=lambda event: (event["_timestamp"], event["_offset"]), default=None)


def matches(event: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    """Whether each named field, as text, is what is asked for."""
    return all(name in event and _text(event[name]) == text for name, text in filters.items())


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
