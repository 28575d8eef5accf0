"""Worker processes as a group: start, watch, restart what was killed, stop."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from headrace.errors import EXIT_AGAIN, Terminal
from headrace.lifeline import die_with_parent
from headrace.probes import Address

log = logging.getLogger(__name__)

RESTARTS_IN_A_ROW = 5
CALM_S = 30.0
STOP_TIMEOUT_S = 30.0


class Workers:
    """A fixed number of worker processes of one pipeline.

    A worker that a signal killed, or that says EXIT_AGAIN, is started again (its blocks in doubt
    are repeated by whoever gets its partitions); one that stopped with another error stops the
    group, because the same error would meet every other worker.
    """

    def __init__(
        self,
        root: Path,
        count: int,
        log_level: str = "info",
        log_file: Path | None = None,
        restarts_in_a_row: int = RESTARTS_IN_A_ROW,
        env: Mapping[str, str] | None = None,
        watched_at: Address | None = None,
        log_format: str | None = None,
    ) -> None:
        """Worker ``i`` answers at ``watched_at``, port ``+ i``, to whoever watches it."""
        self._root = root
        self._count = count
        self._log_options = ["--log-level", log_level]
        if log_format is not None:
            self._log_options += ["--log-format", log_format]
        self._log_file = log_file
        self._restarts_in_a_row = restarts_in_a_row
        self._env = env or {}
        self._watched_at = watched_at
        #: Added to the environment of the next worker that is started, once.
        self.env_once: dict[str, str] = {}
        self._processes: dict[int, subprocess.Popen[bytes]] = {}
        self._restarts: dict[int, list[float]] = {}

    @property
    def pids(self) -> list[int]:
        """Process ids of the workers that run."""
        return [p.pid for p in self._processes.values() if p.poll() is None]

    def start(self) -> None:
        """Start all workers."""
        for index in range(self._count):
            self._spawn(index)

    def _spawn(self, index: int) -> None:
        command = [sys.executable, "-m", "headrace.worker", "--root", str(self._root)]
        command += ["--index", str(index), *self._log_options]
        if self._watched_at is not None:
            command += ["--watched-at", str(self._watched_at.of_worker(index))]
        env, self.env_once = self.env_once, {}
        output = None
        if self._log_file is not None:
            self._log_file.parent.mkdir(parents=True, exist_ok=True)
            output = self._log_file.open("ab")
        self._processes[index] = subprocess.Popen(
            command,
            env={**os.environ, **self._env, **env},
            stderr=output,
            stdout=output,
            start_new_session=True,  # Ctrl-C is for the parent, which stops workers in order
            preexec_fn=die_with_parent,
        )
        if output is not None:
            output.close()

    def check(self) -> None:
        """Restart killed workers; raise Terminal when one stopped by itself or keeps dying."""
        for index, process in list(self._processes.items()):
            code = process.poll()
            if code is None:
                continue
            if code >= 0 and code != EXIT_AGAIN:
                where = f"see {self._log_file}" if self._log_file else "its error is above"
                raise Terminal(f"worker {index} stopped with exit code {code}: {where}")
            now = time.monotonic()
            recent = [t for t in self._restarts.get(index, []) if now - t < CALM_S]
            if len(recent) >= self._restarts_in_a_row:
                raise Terminal(
                    f"worker {index} ended {len(recent) + 1} times in {CALM_S:.0f} s, the last "
                    f"time {_how(code)}"
                )
            self._restarts[index] = [*recent, now]
            log.warning("worker %d ended %s, restarted", index, _how(code))
            self._spawn(index)

    def stop(self) -> None:
        """Let all workers finish the blocks they are writing, then end them."""
        for process in self._processes.values():
            if process.poll() is None:
                process.terminate()
        for index, process in self._processes.items():
            try:
                process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                log.error("worker %d did not stop in %.0f s, killed", index, STOP_TIMEOUT_S)
                process.kill()
                process.wait()

    def watch(self, stopped: Callable[[], bool], every_s: float = 0.5) -> None:
        """Check until ``stopped`` says so."""
        while not stopped():
            self.check()
            time.sleep(every_s)


def _how(code: int) -> str:
    """How a process ended, from its return code."""
    return f"by {signal.Signals(-code).name}" if code < 0 else f"with exit code {code}"
