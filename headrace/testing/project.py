"""A project's schemas and rules for tests: events as the frames that its agents get.

Events are encoded as a producer would and decoded as the pipeline does, so a test also fails when
an event does not fit its schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from headrace import topology
from headrace.block import Block
from headrace.frame import Decode, Frame
from headrace.rules.checked import decoder
from headrace.schema import AvroSchema, EncodeError, Encoder, Registry
from headrace.topology.model import Topology

Event = Mapping[str, Any]


class Project:
    """The topology and schemas of a project's folder; what follows works on the current one."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.topology: Topology = topology.load(root)
        self._registry = Registry.load(root)
        self._ends: dict[str, tuple[Encoder, Decode]] = {}

    def schema(self, topic: str) -> AvroSchema:
        """The newest version of a topic's schema."""
        return self._registry.latest(self.topology.topics[topic].schema_)

    def _codecs(self, topic: str) -> tuple[Encoder, Decode]:
        if topic not in self._ends:
            declared = self.topology.topics[topic]
            self._ends[topic] = (
                Encoder(self._registry, declared.schema_),
                decoder(self._registry, declared.schema_, declared.rules),
            )
        return self._ends[topic]

    def block(
        self, topic: str, events: Sequence[Event | None], partition: int = 0, first: int = 0
    ) -> Block:
        """Events as records ``first``, ``first + 1`` and so on; None is a tombstone.

        Raises EncodeError for an event that does not fit the topic's schema.
        """
        encoder, _ = self._codecs(topic)
        key = self.topology.topics[topic].key
        n = len(events)
        return Block(
            topic=topic,
            partition=partition,
            first=first,
            last=first + max(n, 1) - 1,
            values=[None if e is None else encoder.encode(e) for e in events],
            offsets=np.arange(first, first + n, dtype=np.int64),
            timestamps=np.zeros(n, np.int64),
            keys=[None if e is None else str(e[key]).encode() for e in events],
        )

    def check(self, topic: str, event: Event) -> None:
        """Raise AssertionError for an emitted event that Kafka would not get."""
        if topic not in self.topology.topics:
            raise AssertionError(f"an event was emitted to {topic!r}, which is not declared")
        declared = self.topology.topics[topic]
        try:
            self._codecs(topic)[0].encode(event)
        except EncodeError as error:
            raise AssertionError(f"emitted to {topic!r}: {error}") from error
        for field in (declared.key, declared.dedupe.key if declared.dedupe else declared.key):
            if not event.get(field):
                raise AssertionError(f"emitted to {topic!r}: field {field!r} is empty")

    def frame(
        self, topic: str, events: Sequence[Event | None], partition: int = 0, first: int = 0
    ) -> Frame:
        """The block of these events, decoded, with the topic's rules applied."""
        _, decode = self._codecs(topic)
        return decode(self.block(topic, events, partition, first))


@cache
def project(root: Path) -> Project:
    """The project in a folder, read once."""
    return Project(root)


def frame(topic: str, events: Sequence[Event | None], partition: int = 0, first: int = 0) -> Frame:
    """``Project.frame`` of the project in the current folder."""
    return project(Path.cwd()).frame(topic, events, partition, first)
