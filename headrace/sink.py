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


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a sink is in a partition, as it says itself.

    ``held`` is the highest offset that it can prove to hold, -1 for none: everything below is
    applied too. ``begun`` is the last offset of a block that starts right after ``held`` and is
    applied in part: it has to be finished as exactly that block.
    """

    held: int
    begun: int | None = None


class Sink(Protocol):
    """A store that applies blocks exactly once.

    Calls for different partitions may run at the same time; those of one partition come one after
    the other, in offset order, except that a block may be repeated with the same range and the
    same writes after any failure, by any process.
    """

    #: Unique; kept in offset commits, so renaming a sink makes it a new one. ``[a-z0-9_.]``
    name: str
    #: What kind of store it is, for metrics.
    store: str

    def takes(self, topic: str) -> bool:
        """Whether blocks of a topic concern this sink at all."""

    async def start(self) -> None:
        """Connect. Raises Transient or Terminal."""

    async def close(self) -> None:
        """Disconnect; never raises."""

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        """Apply a block's writes; when this returns they are visible and durable.

        Idempotent for a repeated range, also when an earlier call failed half-way or its answer
        was lost. ``writes.redis`` is already combined: each target once. Returns what
        ``watermarks`` would now answer as ``held``; None when the block did not change it.

        Raises Transient (call again with the same arguments), Behind or Terminal.
        """

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        """How far this sink is; every partition of a topic that it takes is in the answer.

        Raises Transient or Terminal.
        """
