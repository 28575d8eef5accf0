"""What ``up`` started, kept so that later commands find it."""

from __future__ import annotations

import fcntl
import os
import random
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import orjson

from headrace.endpoints import STATE_FILE
from headrace.errors import Terminal
from headrace.stack.process import Running

#: Below what Linux, macOS and the BSDs take for connections' own ends.
SERVERS = range(20_000, 32_768)


@dataclass(frozen=True, slots=True)
class Entry:
    """One local service: where it listens and which process it is."""

    address: str
    ports: tuple[int, ...]
    running: Running


def read(home: Path) -> dict[str, Entry]:
    """Services by name; empty when nothing was ever started."""
    path = home / STATE_FILE
    if not path.exists():
        return {}
    services = orjson.loads(path.read_bytes())["services"]
    return {
        name: Entry(
            e["address"],
            tuple(e["ports"]),
            Running(e["pid"], e["started"], e.get("ending", signal.SIGTERM)),
        )
        for name, e in services.items()
    }


def write(home: Path, entries: dict[str, Entry]) -> None:
    """Replace the file in one step."""
    services = {
        name: {
            "address": e.address,
            "ports": list(e.ports),
            "pid": e.running.pid,
            "started": e.running.started,
            "ending": e.running.ending,
        }
        for name, e in entries.items()
    }
    with tempfile.NamedTemporaryFile(dir=home, delete=False) as file:
        file.write(orjson.dumps({"services": services}, option=orjson.OPT_INDENT_2))
    os.replace(file.name, home / STATE_FILE)


@contextmanager
def locked(home: Path) -> Iterator[None]:
    """One ``up`` or ``down`` at a time."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def free_ports(count: int) -> tuple[int, ...]:
    """Ports of 127.0.0.1 that nobody listens on now, all different.

    Not the system's choice: what it gives to a server it may give to a client's connection before
    the server has started. Raises Terminal when there are too few.
    """
    found: list[int] = []
    for port in random.sample(SERVERS, len(SERVERS)):
        if len(found) == count:
            break
        if can_listen(port):
            found.append(port)
    else:
        raise Terminal(f"no {count} free ports from {SERVERS.start} to {SERVERS.stop - 1}")
    return tuple(found)


def can_listen(port: int) -> bool:
    """Whether a port is free for a server (sockets in TIME_WAIT do not count)."""
    with socket.socket() as s:
        s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
