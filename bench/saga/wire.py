"""Events as the agent gets them: encoded as services do, decoded as the pipeline does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headrace import topology
from headrace.block import Block
from headrace.frame import Decode, Frame
from headrace.rules.checked import decoder
from headrace.schema import Encoder, Registry
from loadgen.fulfilment.wire import Wire as ServicesWire

ROOT = Path(__file__).resolve().parents[2]
PROJECT = ROOT / "docs" / "examples" / "order-saga"
PROCESS = "fulfilment"


class Wire:
    """One topic of the example. Offsets go on from frame to frame."""

    def __init__(self, topic: str, root: Path = PROJECT) -> None:
        declared = topology.load(root).topics[topic]
        registry = Registry.load(root)
        self._topic, self._key = topic, declared.key
        self._encoder = Encoder(registry, declared.schema_)
        self._services = ServicesWire(root, declared.schema_)
        self._decode: Decode = decoder(registry, declared.schema_, declared.rules)
        self._next = 0

    def block(self, events: Sequence[Mapping[str, Any]], arrived: Sequence[int]) -> Frame:
        """The next records. ``arrived``: their times in Kafka, ms."""
        first, self._next = self._next, self._next + len(events)
        frame = self._decode(
            Block(
                topic=self._topic,
                partition=0,
                first=first,
                last=self._next - 1,
                values=[self._services.write(event) for event in events],
                offsets=np.arange(first, self._next, dtype=np.int64),
                timestamps=np.asarray(arrived, np.int64),
                keys=[event[self._key].encode() for event in events],
            )
        )
        if frame.bad:
            raise AssertionError(f"{self._topic}: {frame.bad[0].reason}")
        return frame

    def read(self, events: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Emitted events as a service reads them, encoded as the pipeline does."""
        return [self._services.read(self._encoder.encode(event)) for event in events]
