"""A topic's events as they come, decoded."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaTP

from headrace.client.blocks import block_of
from headrace.errors import ConfigError, Transient
from headrace.private.fields import PrivateFields
from headrace.private.protect import Protector
from headrace.private.ring import KeyRing
from headrace.schema import Codec, Encoder
from headrace.schemas import registry_of
from headrace.security import grants
from headrace.security.link import Link
from headrace.topology.model import Topology

BATCH = 500
POLL_S = 0.2
PATIENCE_S = 15.0


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
        declared = topology.declared(topic)
        registry = registry_of(root, topology)
        self._topic = topic
        self._codec = Codec(registry, declared.schema_)
        self._encoder = Encoder(registry, declared.schema_)
        self._private = PrivateFields.of(topology, topic, self._encoder.schema)
        self._protector = None if ring is None else Protector(self._private, ring)
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
        return frozenset() if self._protector is None else frozenset(self._protector.opened)

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
            for number, batch in by_partition.items():
                yield from self._decode(number, batch)

    def _decode(self, partition: int, messages: list[Message]) -> Iterator[dict[str, Any]]:
        block = block_of(messages)
        frame = self._codec.decode(block)
        rows = [self._encoder.to_json(row) for row in frame.df.to_dicts()]
        if self._protector is not None:
            rows = self._protector.reveal(rows)
        else:
            rows = [self._private.hide(row) for row in rows]
        decoded = dict(zip(frame.df["_offset"].to_list(), rows, strict=True))
        bad = {int(block.offsets[b.index]): f"{b.step}: {b.reason}" for b in frame.bad}
        for i, offset in enumerate(block.offsets.tolist()):
            place = {
                "_partition": partition,
                "_offset": offset,
                "_timestamp": int(block.timestamps[i]),
            }
            if offset in decoded:
                yield {**place, **decoded[offset]}
            elif offset in bad:
                yield {**place, "_bad": bad[offset], "_bytes": len(block.values[i] or b"")}
            else:
                yield {**place, "_tombstone": True}

    def close(self) -> None:
        """Leave."""
        self._consumer.close()


def matches(event: Mapping[str, Any], filters: Mapping[str, str]) -> bool:
    """Whether each named field, as text, is what is asked for."""
    return all(name in event and _text(event[name]) == text for name, text in filters.items())


def _text(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
