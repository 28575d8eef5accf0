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
        self._wall = 0.0
        self._cpu = 0.0
        self.events = 0

    def start(self) -> None:
        """Note the beginning; later calls do nothing."""
        if not self._wall:
            self._wall = time.perf_counter()
            self._cpu = time.process_time()

    def finish(self, answer: Any = None) -> None:
        """Print the figures as one line of JSON."""
        figures = {
            "events": self.events,
            "wall_seconds": time.perf_counter() - self._wall,
            "cpu_seconds": time.process_time() - self._cpu,
            "peak_rss_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "answer": answer,
        }
        print("RESULT " + json.dumps(figures), flush=True)
        sys.stdout.flush()
