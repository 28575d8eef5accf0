"""A detached process that can be found again, and never mistaken for another."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from headrace.lifeline import die_with_parent

STOP_TIMEOUT_S = 20.0


@dataclass(frozen=True, slots=True)
class Running:
    """A process: its pid, when it started, because pids are used again, and what ends it."""

    pid: int
    started: float
    ending: int = signal.SIGTERM

    @classmethod
    def of(cls, pid: int, ending: int = signal.SIGTERM) -> Running:
        """Describe a process that runs now."""
        return cls(pid, psutil.Process(pid).create_time(), ending)

    def process(self) -> psutil.Process | None:
        """The process if it still runs, else None."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                return None
            return process if abs(process.create_time() - self.started) < 1 else None
        except psutil.NoSuchProcess:
            return None

    def stop(self) -> None:
        """Ask it to end, and make it end if it does not within 20 s."""
        process = self.process()
        if process is None:
            return
        process.send_signal(self.ending)
        try:
            process.wait(STOP_TIMEOUT_S)
        except psutil.TimeoutExpired:
            process.kill()
            process.wait(STOP_TIMEOUT_S)


def spawn(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str],
    owned: bool,
    cwd: Path,
    ending: int = signal.SIGTERM,
) -> Running:
    """Start a process in a session of its own, output to ``log``; the signal ``ending`` ends it.

    ``owned`` ones end with this process, also when it is killed with -9 (Linux).
    """

    def before_exec() -> None:
        if owned:
            die_with_parent(ending)

    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **env},
            cwd=cwd,
            start_new_session=True,
            preexec_fn=before_exec,
        )
    return Running.of(child.pid, ending)


def tail(log: Path, lines: int = 15) -> str:
    """The last lines of a log file, for error messages."""
    if not log.exists():
        return "(no output)"
    text = log.read_text(errors="replace").rstrip().splitlines()
    return "\n".join(text[-lines:]) or "(no output)"
