"""The ClickHouse engine (chDB) behind its HTTP interface, see ``stack.front``."""

from __future__ import annotations

import sys
import urllib.error
import urllib.request
from pathlib import Path

from headrace.stack.service import Command


class ClickHouse:
    """See ``stack.service.Service``."""

    name = "clickhouse"
    ports = 1
    patience_s = 60.0

    def address(self, ports: tuple[int, ...]) -> str:
        return f"http://127.0.0.1:{ports[0]}"

    def prepare(self, data: Path, ports: tuple[int, ...]) -> Command:
        data.mkdir(parents=True, exist_ok=True)
        argv = [sys.executable, "-m", "headrace.stack.front"]
        argv += ["--data", str(data / "data"), "--port", str(ports[0])]
        return Command(argv, data)

    def answers(self, address: str) -> str | None:
        try:
            with urllib.request.urlopen(f"{address}/?query=SELECT%201", timeout=5) as answer:
                body = answer.read()
        except (urllib.error.URLError, OSError) as error:
            return str(error)
        return None if body == b"1\n" else repr(body)
