"""How long the broker may gather records before it answers a fetch."""

from __future__ import annotations

from dataclasses import dataclass

#: Records/s from which answers are gathered. Below, every record is fetched as it comes, and quiet
#: topics cost two requests a second.
BUSY = 100.0
WINDOW_S = 0.5


@dataclass(frozen=True, slots=True)
class Wait:
    """What a fetch asks for: an answer of ``min_bytes``, or whatever there is after ``max_ms``."""

    min_bytes: int
    max_ms: int


EAGER = Wait(1, 500)
#: A broker whose topics move has something to say all the time, and an answer costs both sides half
#: a millisecond whatever is in it: a third of a worker's CPU, at 1,000 records/s as at 50,000.
GATHERED = Wait(1 << 18, 20)


class Gather:
    """Chooses by the records that came in the last window of time."""

    def __init__(self, now: float) -> None:
        self._since = now
        self._records = 0
        self.wait = EAGER

    def took(self, records: int, now: float) -> Wait:
        """Count records taken at ``now``, in s; returns what the next fetch should ask for."""
        self._records += records
        passed = now - self._since
        if passed >= WINDOW_S:
            self.wait = GATHERED if self._records >= BUSY * passed else EAGER
            self._since, self._records = now, 0
        return self.wait
