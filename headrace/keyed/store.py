"""What keyed state needs of its store and of Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.block import TopicPartition
from headrace.sink import BlockRange
from headrace.writes import Outgoing


@dataclass(frozen=True, slots=True)
class Pending:
    """An event of the outbox; ``digest`` names its contents."""

    digest: bytes
    event: Outgoing


class KeyedStore(Protocol):
    """Reads what a sink keeps under a partition's fence: states, the outbox, due times.

    The sink itself writes them (``Sink.apply``), together with the fence. All methods raise
    Transient or Terminal.
    """

    #: The sink's name.
    name: str

    async def read(
        self, block: BlockRange, before: int, wanted: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, bytes]] | None:
        """The states before a block, by keyspace and key; None when the block is applied already.

        ``wanted`` has the keys. Of a block that is applied in part it is what was there before its
        first chunk. Each state is read together with the fence: ``before`` is the last offset that
        must be applied, Behind is raised when it is not.
        """

    async def aside(self, block: BlockRange) -> list[int]:
        """Offsets of a block whose records made an agent with state raise, and were set aside."""

    async def outbox(self, tp: TopicPartition) -> list[Pending]:
        """The oldest events that may not be in Kafka yet, in order; none when there are none."""

    async def sent(self, tp: TopicPartition, pending: Sequence[Pending]) -> None:
        """Remove events from the head of the outbox, as far as they are among ``pending``."""

    async def due(
        self, tp: TopicPartition, keyspace: str, now_ms: int, most: int
    ) -> list[tuple[str, int]]:
        """Keys that are due by ``now_ms`` and since when (ms), the longest due first."""


class Emitter(Protocol):
    """Sends events to Kafka."""

    async def send(self, events: Sequence[Outgoing]) -> None:
        """Send in order and return when all replicas have them all.

        What was sent before may be sent again by a retry. Raises Transient or Terminal.
        """

    async def close(self) -> None:
        """Disconnect; never raises."""
