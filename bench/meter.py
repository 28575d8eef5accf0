"""What a contestant used, from its first event to its last."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
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
        """Print the figures as one line of JSON; the end is the last lap, without any it is now.

        What turns a result into an answer comes after a lap: it is the bench's work.
        """
        begin, end = self._begin or (0.0, 0.0), self._end or _now()
        figures = {
            "events": self.events,
            "wall_seconds": end[0] - begin[0],
            "cpu_seconds": end[1] - begin[1],
            "peak_rss_bytes": _peak(),
            "answer": answer,
        }
        print("RESULT " + json.dumps(figures), flush=True)
        sys.stdout.flush()


def _peak() -> int:
    """Most resident bytes so far. Not ru_maxrss: that begins with what the parent had at fork."""
    for line in Path("/proc/self/status").read_text().splitlines():
        name, _, value = line.partition(":")
        if name == "VmHWM":
            return int(value.split()[0]) * 1024
    raise RuntimeError("/proc/self/status has no VmHWM: the bench runs on Linux only")


def _now() -> tuple[float, float]:
    return time.perf_counter(), time.process_time()
