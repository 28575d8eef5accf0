"""The interface that every sink implements."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

from headrace.block import TopicPartition
from headrace.writes import Writes


@dataclass(frozen=True, slots=True)
class BlockRange:
    """Which block a write belongs to: offsets ``[first..last]`` of one partition."""

    topic: str
    partition: int
    first: int
    last: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.first}-{self.last}"


class Sink(Protocol):
    """A store that applies blocks exactly once.

    Calls for different partitions may run at the same time; those of one partition come one after
    the other, in offset order, except that a block may be repeated with the same range and the
    same writes after any failure, by any process.
    """

    name: str

    async def start(self) -> None:
        """Connect. Raises Transient or Terminal."""

    async def close(self) -> None:
        """Disconnect; never raises."""

    async def apply(self, block: BlockRange, writes: Writes) -> None:
        """Apply a block's writes; when this returns they are visible and durable.

        Idempotent for a repeated range, also when an earlier call failed half-way or its answer
        was lost. ``writes.redis`` is already combined: each target once.

        Raises Transient (call again with the same arguments) or Terminal.
        """

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, int]:
        """How far this sink is: the last applied offset by partition, -1 when it holds nothing.

        A partition missing in the answer means that the sink can't tell.
        """
