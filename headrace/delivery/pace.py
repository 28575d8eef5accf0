"""Who may write next: small blocks when there is time, larger ones when there isn't."""

from __future__ import annotations

import heapq

from headrace.clock import Clock
from headrace.topology.model import Delivery

#: A turn rests for this part of the time that it took, before it is taken again: two turns so keep
#: one write under way on average, and a quiet pipeline leaves half of the machine to others.
REST = 1.0


class Turn:
    """Leave to write one block."""

    def __init__(self, pace: Pace, began: float) -> None:
        self._pace = pace
        self._began = began
        self._ended = False

    def end(self) -> None:
        """The block is written, or will not be; ending again is harmless."""
        if not self._ended:
            self._ended = True
            self._pace.ended(self._began)


class Pace:
    """Hands out ``turns``: a block that is not full is cut when there is one, so whatever has come
    in meanwhile goes with it.

    n partitions that share k turns, of which each takes S seconds and rests as long, are written
    every n * 2S / k seconds (Little's law, 1961). So records are visible at once where there are
    few partitions or quick sinks; where there are many, each INSERT carries a second's worth and
    more; and a ClickHouse that slows down (it delays inserts by itself when it has too many parts)
    gets fewer and larger ones. Nothing is estimated, and partitions do not all write at once, as
    they do when each only watches the clock.

    Full blocks need no turn: with a backlog there is nothing to wait for.
    """

    def __init__(self, config: Delivery, clock: Clock) -> None:
        self._clock = clock
        self._free_at = [float("-inf")] * config.turns

    def take(self) -> Turn | None:
        """A turn, if there is one now."""
        now = self._clock.monotonic()
        if not self._free_at or self._free_at[0] > now:
            return None
        heapq.heappop(self._free_at)
        return Turn(self, now)

    def free_at(self) -> float:
        """When the next resting turn can be taken, in the clock's seconds; inf: all are in use."""
        return self._free_at[0] if self._free_at else float("inf")

    def ended(self, began: float) -> None:
        """A turn that began then has ended now."""
        now = self._clock.monotonic()
        heapq.heappush(self._free_at, now + REST * (now - began))
