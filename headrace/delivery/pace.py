"""How long records wait for others: small blocks when there is time, else larger ones."""

from __future__ import annotations

from headrace.block import TopicPartition
from headrace.topology.model import Delivery

#: Weight of the newest block in the mean of how long a block takes to write.
NEWEST = 0.1
#: A block that waited for a sink that was away says nothing about how long writing takes.
LONGEST_S = 1.0
#: A partition takes part as long as its last block is no older.
ACTIVE_S = 2.0


class Pace:
    """Chooses the delay so that a worker writes about ``concurrent_writes`` blocks at a time.

    By Little's law (1961), n partitions that each write a block every D seconds, which takes S
    seconds, have n * S / D writes under way on average; so D = n * S / ``concurrent_writes``,
    within ``min_delay_ms`` and ``max_delay_ms``. With few partitions, or quick sinks, records are
    visible at once; with many, each INSERT carries more, and a ClickHouse that slows down (it
    delays inserts by itself when it has too many parts) gets fewer. ``max_rows`` and ``max_bytes``
    end a block earlier.
    """

    def __init__(self, config: Delivery) -> None:
        self._least = config.min_delay_ms / 1000
        self._most = config.max_delay_ms / 1000
        self._writes = config.concurrent_writes
        self._seconds = 0.0
        self._offered: dict[TopicPartition, float] = {}

    def offered(self, tp: TopicPartition, now: float) -> None:
        """A partition has a block to write; ``now`` in seconds of a monotonic clock."""
        self._offered[tp] = now

    def written(self, seconds: float) -> None:
        """A block took so long from its intent to the last sink."""
        seconds = min(seconds, LONGEST_S)
        self._seconds += NEWEST * (seconds - self._seconds)

    def delay_s(self, now: float) -> float:
        """How long the oldest record of a block may wait at present, in seconds."""
        active = sum(at > now - ACTIVE_S for at in self._offered.values())
        return min(max(active * self._seconds / self._writes, self._least), self._most)

    def keep(self, tps: set[TopicPartition]) -> None:
        """These are all that is assigned."""
        self._offered = {tp: at for tp, at in self._offered.items() if tp in tps}
