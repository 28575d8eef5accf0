"""Which workers are started again, and when a group gives up."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from headrace.errors import EXIT_AGAIN, Terminal
from headrace.workers import Workers


class Ending(Workers):
    """Workers that end at once, in ways that a test chooses."""

    def __init__(self, root: Path, *ways: str) -> None:
        super().__init__(root, 1, restarts_in_a_row=2)
        self.ways = list(ways)

    def _spawn(self, index: int) -> None:
        code = self.ways.pop(0)
        self._processes[index] = subprocess.Popen(
            [sys.executable, "-c", f"import os, time; {code}"]
        )

    def until_ended(self) -> None:
        deadline = time.monotonic() + 20
        while self.pids:
            assert time.monotonic() < deadline
            time.sleep(0.01)


AGAIN = f"os._exit({EXIT_AGAIN})"
KILLED = "os.kill(os.getpid(), 9)"
STAYS = "time.sleep(60)"


@pytest.mark.parametrize("way", [AGAIN, KILLED])
def test_what_may_pass_is_started_again(tmp_path, way):
    workers = Ending(tmp_path, way, STAYS)
    workers.start()
    workers.until_ended()
    workers.check()
    assert len(workers.pids) == 1
    workers.stop()


def test_an_error_that_would_come_again_stops_the_group(tmp_path):
    workers = Ending(tmp_path, "os._exit(1)")
    workers.start()
    workers.until_ended()
    with pytest.raises(Terminal, match="exit code 1"):
        workers.check()


def test_a_worker_that_keeps_ending_stops_the_group(tmp_path):
    workers = Ending(tmp_path, AGAIN, KILLED, AGAIN)
    workers.start()
    for _ in range(2):
        workers.until_ended()
        workers.check()
    workers.until_ended()
    with pytest.raises(Terminal, match=r"ended 3 times in 30 s, the last time with exit code 75"):
        workers.check()
