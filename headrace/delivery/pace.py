"""Who may write next: small blocks when there is time, larger ones when there isn't."""

from __future__ import annotations

import heapq

from headrace.clock import Clock
from headrace.topology.model import Delivery

#: A turn rests for this part of the time that it took, before it is taken again: two turns so keep
#: one write under way on average, and a quiet pipeline leaves half of the machine to others.
REST = 1.0
#: A block that takes so long waits for a sink.
STUCK_S = 1.0


class Turn:
    """Leave to write one block; it began at ``began``, in seconds of the pace's clock."""

    def __init__(self, pace: Pace, began: float) -> None:
        self._pace = pace
        self.began = began

    def end(self) -> None:
        """The block is written, or will not be; ending again is harmless."""
        self._pace.ended(self)


class Pace:
    """Hands out ``turns``: a block that is not full is cut when there is one, so whatever has come
    in meanwhile goes with it.

    n partitions that share k turns, of which each takes S seconds and rests as long, are written
    every n * 2S / k seconds (Little's law, 1961). So records are visible at once where there are
    few partitions or quick sinks; where there are many, each INSERT carries a second's worth and
    more; and a ClickHouse that slows down (it delays inserts by itself when it has too many parts)
    gets fewer and larger ones. Nothing is estimated, and partitions do not all write at once, as
    they do when each only watches the clock.

    Full blocks need no turn: with a backlog there is nothing to wait for. A turn whose block waits
    for a sink that is away passes on, so that partitions without that sink need not wait for it.
    """

    def __init__(self, config: Delivery, clock: Clock) -> None:
        self._clock = clock
        self._free_at = [float("-inf")] * config.turns
        self._taken: dict[Turn, None] = {}  # in the order of their beginning

    def take(self) -> Turn | None:
        """A turn, if there is one now."""
        now = self._clock.monotonic()
        if self.free_at() > now:
            return None
        if self._free_at and self._free_at[0] <= now:
            heapq.heappop(self._free_at)
        else:
            del self._taken[next(iter(self._taken))]
        turn = Turn(self, now)
        self._taken[turn] = None
        return turn

    def free_at(self) -> float:
        """When the next turn can be taken at the latest, in the clock's seconds."""
        rested = self._free_at[0] if self._free_at else float("inf")
        passed_on = next(iter(self._taken)).began + STUCK_S if self._taken else float("inf")
        return min(rested, passed_on)

    def ended(self, turn: Turn) -> None:
        """A turn is over now; nothing happens when it was passed on, or had ended before."""
        if turn in self._taken:
            del self._taken[turn]
            now = self._clock.monotonic()
            heapq.heappush(self._free_at, now + REST * (now - turn.began))
