"""What agents emit, to records as Kafka holds them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headrace.schema import EncodeError, Encoder, Registry
from headrace.topology.model import Topology
from headrace.writes import Outgoing


class EventEncoder:
    """Encodes the events of one topic. Safe to use from many threads."""

    def __init__(self, topology: Topology, topic: str, registry: Registry) -> None:
        """Raises ConfigError if the registry lacks the schema."""
        declared = topology.topics[topic]
        self._topic = topic
        self._key = declared.key
        self._id = declared.dedupe.key if declared.dedupe else None
        self._encoder = Encoder(registry, declared.schema_)

    def __call__(self, event: Mapping[str, Any]) -> Outgoing:
        """The record of an event; raises ValueError for one that does not fit.

        Not EncodeError: it is the record that made an agent emit this which is set aside.
        """
        try:
            value = self._encoder.encode(event)
        except EncodeError as error:
            raise ValueError(f"emitted to {self._topic!r}: {error}") from error
        for field in (self._key, self._id):
            if field is not None and not event.get(field):
                raise ValueError(f"emitted to {self._topic!r}: field {field!r} is empty")
        return Outgoing(self._topic, event[self._key].encode(), value)


def encoders(topology: Topology, registry: Registry) -> dict[str, EventEncoder]:
    """For each topic that agents or their timers send to."""
    return {topic: EventEncoder(topology, topic, registry) for topic in topology.emitted()}
