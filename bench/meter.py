"""What a contestant used, from its first event to its last."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any


class Meter:
    """Starts at the first event. CPU is the whole process: all threads, user and system."""

    def __init__(self) -> None:
        self._begin: tuple[float, float] | None = None  # wall and CPU seconds
        self._end: tuple[float, float] | None = None
        self.events = 0

    def start(self) -> None:
        """Note the beginning; later calls do nothing."""
        if self._begin is None:
            self._begin = _now()

    def lap(self) -> None:
        """Note what may be the end; a later call moves it."""
        self._end = _now()

    def finish(self, answer: Any = None) -> None:
        """Print the figures as one line of JSON; the end is the last lap, without any it is now."""
        begin, end = self._begin or (0.0, 0.0), self._end or _now()
        figures = {
            "events": self.events,
            "wall_seconds": end[0] - begin[0],
            "cpu_seconds": end[1] - begin[1],
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "answer": answer,
        }
        print("RESULT " + json.dumps(figures), flush=True)
        sys.stdout.flush()


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
