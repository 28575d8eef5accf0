"""What goes wrong between a process and its services, and how often."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Faults:
    """Shares of 0 to 1, and times in ms.

    ``refuse``: a service says no. ``lose``: a command comes to nobody. ``mute``: it is done, and
    nobody says so. ``late``: a command or an answer takes up to ``late_ms``, not ``delay_ms``, so
    it comes after a timeout and behind others. ``twice``: an answer comes twice.
    """

    refuse: float = 0.0
    lose: float = 0.0
    mute: float = 0.0
    late: float = 0.0
    twice: float = 0.0
    delay_ms: int = 2_000
    late_ms: int = 400_000

    @classmethod
    def of(cls, share: float) -> Faults:
        """Every kind as often."""
        return cls(refuse=share, lose=share, mute=share, late=share, twice=share)

    def deliveries(self, random: Random) -> Iterator[int]:
        """When a command comes to its service, in ms from now."""
        if random.random() >= self.lose:
            yield self._delay(random)

    def answers(self, random: Random) -> Iterator[int]:
        """When its answer comes back, in ms from then; one of two is the same event again."""
        if random.random() < self.mute:
            return
        yield self._delay(random)
        if random.random() < self.twice:
            yield self._delay(random)

    def refuses(self, random: Random) -> bool:
        """Whether a service says no to what it could do."""
        return random.random() < self.refuse

    def _delay(self, random: Random) -> int:
        most = self.late_ms if random.random() < self.late else self.delay_ms
        return 1 + int(random.random() * most)
