"""The serving process of a demo: the live page and the API."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from headrace.errors import Terminal
from headrace.lifeline import die_with_parent

PORT = 8081
STOP_S = 15


@dataclass(frozen=True, slots=True)
class Serving:
    """Where it listens, and its process."""

    address: str
    pid: int


@contextmanager
def serving(root: Path, log_file: Path) -> Iterator[Serving]:
    """Serve while the context lasts, on port 8081 or, where that is taken, on a free one."""
    command = [sys.executable, "-m", "headrace.cli.main", "serve", "--port", str(_port())]
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command, cwd=root, stdout=subprocess.PIPE, stderr=log, text=True,
            start_new_session=True, preexec_fn=die_with_parent,
        )  # fmt: skip
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        if not line:
            said = log_file.read_text(errors="replace")[-2000:]
            raise Terminal(f"the serving process did not start: {said}")
        yield Serving(line.removeprefix("Serving on ").strip(), process.pid)
    finally:
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def _port() -> int:
    try:
        socket.create_server(("127.0.0.1", PORT)).close()
    except OSError:
        return 0
    return PORT
