"""Open-loop pacing: record i is due at i / rate seconds, whatever happened to those before."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

TICK_S = 0.01  # records of this much time leave together
BURST = 8_192  # most records between two looks at the stop signal


class Stop(Protocol):
    """What ``threading.Event`` and ``multiprocessing.Event`` offer."""

    def is_set(self) -> bool: ...

    def wait(self, timeout: float | None = None) -> bool: ...


class Pacer:
    """Says how far the schedule has come. A sender that falls behind is told to catch up at once:
    the schedule never stretches, and ``max_lag_s`` tells how far behind it ever was (up to one
    tick is the pacer's own)."""

    def __init__(
        self, rate: float, stop: Stop, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate = rate
        self._stop = stop
        self._monotonic = monotonic
        self._begin: float | None = None
        self.max_lag_s = 0.0

    @property
    def elapsed_s(self) -> float:
        """Seconds since the start."""
        return 0.0 if self._begin is None else self._monotonic() - self._begin

    def due(self, position: int, end: int) -> int:
        """Wait until ``position`` is due; return the end of what may be sent now (<= ``end``).

        Returns ``position`` itself when told to stop.
        """
        if self._begin is None:  # record 0 is due now
            self._begin = self._monotonic()
        limit = min(end, position + BURST)
        if self._rate == 0:
            return position if self._stop.is_set() else limit
        # A tick's records together: sending each as it falls due would be all overhead.
        enough = min(end, position + max(int(self._rate * TICK_S), 1))
        while not self._stop.is_set():
            elapsed = self.elapsed_s
            ready = int(elapsed * self._rate) + 1
            if ready >= enough:
                self._lag(position)
                return min(ready, limit)
            self._stop.wait((enough - 1) / self._rate - elapsed)
        return position

    def sent(self, position: int) -> None:
        """Note that all records before ``position`` have been handed over."""
        if self._rate:
            self._lag(position - 1)

    def _lag(self, position: int) -> None:
        self.max_lag_s = max(self.max_lag_s, self.elapsed_s - position / self._rate)
