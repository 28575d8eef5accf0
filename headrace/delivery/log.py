"""What delivery needs from the log. The transport implements it over Kafka's consumer."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from headrace.block import Block, TopicPartition
from headrace.delivery.intent import Position
from headrace.frame import Bad


class Offsets(Protocol):
    """The consumer group's committed positions."""

    async def committed(
        self, tps: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Position | None]:
        """Read the committed position of each partition; None when there is none (expired)."""

    async def commit(self, positions: Mapping[TopicPartition, Position]) -> None:
        """Commit all positions, atomically by partition.

        Raises Fenced when this member's generation has passed or a partition is no longer
        assigned to it, Transient when the coordinator can't be reached now.
        """


class DeadLetters(Protocol):
    """The dead-letter topics."""

    async def send(self, block: Block, bad: Sequence[Bad]) -> None:
        """Send records whole, with the reason, and return when the broker has them all.

        Raises Transient when the broker can't be reached now.
        """
