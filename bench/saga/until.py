"""When a run on real services is over, and the workers that are killed meanwhile."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Sequence

from bench.saga.shop import Shop
from headrace.errors import Terminal
from headrace.workers import Workers


class Until:
    """Done when all orders have ended and stayed so for ``calm_s``: what is late may still come.

    A worker is killed with -9 at each of ``kills``, seconds from now. Raises Terminal when it
    takes longer than ``wait_s``.
    """

    def __init__(
        self,
        shop: Shop,
        workers: Workers,
        count: int,
        *,
        kills: Sequence[float] = (),
        calm_s: float,
        wait_s: float,
        tell: Callable[[float, int, int], None] = lambda *_: None,
    ) -> None:
        """``tell`` gets the seconds so far, and how many orders have ended and workers died."""
        self.killed = 0
        self._tell = tell
        self._shop, self._workers, self._count = shop, workers, count
        self._kills, self._calm_s, self._wait_s = kills, calm_s, wait_s
        self._began = time.monotonic()
        self._ended: float | None = None
        self._asked = 0.0

    def __call__(self) -> bool:
        now = time.monotonic() - self._began
        self._workers.check()
        if self.killed < len(self._kills) and now > self._kills[self.killed]:
            pids = self._workers.pids
            os.kill(pids[self.killed % len(pids)], signal.SIGKILL)
            self.killed += 1
        if now < self._asked:
            return False
        ended = self._shop.ended()
        # Of many orders the question itself takes a while, and ClickHouse has better to do.
        self._asked = now + max(1.0, 20 * (time.monotonic() - self._began - now))
        self._tell(now, ended, self.killed)
        if now > self._wait_s:
            raise Terminal(f"{ended} of {self._count} orders ended within {self._wait_s:.0f} s")
        if ended < self._count or self.killed < len(self._kills):
            self._ended = None
        elif self._ended is None:
            self._ended = now
        return self._ended is not None and now - self._ended > self._calm_s
