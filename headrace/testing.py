"""Step tests for agents: events in, state out, without any service.

    state = run(features, frame("shop.sessions", [{"user_id": "u1", ...}]))
    assert state.redis[0, "user:recent", "u1"] == {"p1": 1_767_225_600_000.0}

Events pass through the project's own schemas: encoded as a producer would, decoded as the pipeline
does, so a step test also fails when an event does not fit its schema.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from headrace import topology
from headrace.agent import AgentFunction
from headrace.block import Block
from headrace.frame import Decode, Frame
from headrace.memory import MemorySink
from headrace.rules.checked import decoder
from headrace.schema import Encoder, Registry
from headrace.sink import BlockRange
from headrace.topology.model import Topology
from headrace.writes import Writes, combine

Event = Mapping[str, Any]


class Project:
    """The topology and schemas of a project's folder; what follows works on the current one."""

    def __init__(self, root: Path) -> None:
        self.topology: Topology = topology.load(root)
        self._registry = Registry.load(root)
        self._ends: dict[str, tuple[Encoder, Decode]] = {}

    def _schema(self, topic: str) -> tuple[Encoder, Decode]:
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
        encoder, _ = self._schema(topic)
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

    def frame(
        self, topic: str, events: Sequence[Event | None], partition: int = 0, first: int = 0
    ) -> Frame:
        """The block of these events, decoded, with the topic's rules applied."""
        _, decode = self._schema(topic)
        return decode(self.block(topic, events, partition, first))


@cache
def project(root: Path) -> Project:
    """The project in a folder, read once."""
    return Project(root)


def frame(topic: str, events: Sequence[Event | None], partition: int = 0, first: int = 0) -> Frame:
    """``Project.frame`` of the project in the current folder."""
    return project(Path.cwd()).frame(topic, events, partition, first)


def step(agent: AgentFunction, frame: Frame) -> tuple[BlockRange, Writes]:
    """What sinks receive for a frame: its range, and the agent's writes with updates combined."""
    writes = agent(frame)
    block = frame.block
    where = BlockRange(block.topic, block.partition, block.first, block.last)
    return where, Writes(writes.rows, tuple(combine(writes.redis)))


def run(agent: AgentFunction, *frames: Frame, sink: MemorySink | None = None) -> MemorySink:
    """Run an agent on frames, in order, into a sink; the sink given or a new one is returned."""
    sink = sink if sink is not None else MemorySink()
    for one in frames:
        sink.take(*step(agent, one))
    return sink
