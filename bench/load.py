"""Requests over HTTP on a schedule that does not wait for answers.

A request's latency is counted from when it was to be sent, so that one slow answer also counts for
those that had to wait behind it: corrected for coordinated omission. ``late_ms`` says how far the
client itself fell behind its schedule although a connection was free: more than a few milliseconds
and the figures are the client's, not the server's.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import numpy as np


@dataclass
class Figures:
    """What was asked and how long it took, ms."""

    latencies: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)
    statuses: Counter[int] = field(default_factory=Counter)
    seconds: float = 0.0  # from the first request to the last answer

    def summary(self) -> dict[str, object]:
        """Percentiles, and the rate that was reached."""
        points = np.percentile(self.latencies, (50, 95, 99)) if self.latencies else (0, 0, 0)
        return {
            "requests_per_s": round(len(self.latencies) / self.seconds, 1),
            "ms": dict(zip(("p50", "p95", "p99"), np.round(points, 2).tolist(), strict=True)),
            "late_ms_p99": round(float(np.percentile(self.late or [0], 99)), 2),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
        }


class Connections:
    """A number of kept connections to one server; each request takes a free one."""

    def __init__(self, host: str, port: int, number: int, token: str | None) -> None:
        self._address = host, port
        bearer = f"Authorization: Bearer {token}\r\n" if token else ""
        self._head = f"HTTP/1.1\r\nHost: {host}:{port}\r\n{bearer}"
        self._number = number
        self._free: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = (
            asyncio.Queue()
        )

    async def open(self) -> None:
        for _ in range(self._number):
            self._free.put_nowait(await asyncio.open_connection(*self._address))

    async def get(self, path: str, due: float, figures: Figures) -> None:
        """Ask once; ``due`` is when it was to be sent, on ``time.perf_counter``."""
        waited = self._free.empty()
        reader, writer = await self._free.get()
        if not waited:
            figures.late.append((time.perf_counter() - due) * 1000)
        writer.write(f"GET {path} {self._head}\r\n".encode())
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0] or b"0")
        await reader.readexactly(length)
        self._free.put_nowait((reader, writer))
        figures.latencies.append((time.perf_counter() - due) * 1000)
        figures.statuses[int(head[9:12])] += 1

    async def close(self) -> None:
        while not self._free.empty():
            _, writer = self._free.get_nowait()
            writer.close()
            await writer.wait_closed()


async def open_loop(paths: Iterable[str], rate: float, to: Connections) -> Figures:
    """Ask for each path, ``rate`` a second, whatever the answers take."""
    figures = Figures()
    start = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        for number, path in enumerate(paths):
            due = start + number / rate
            ahead = due - time.perf_counter()
            if ahead > 0:
                await asyncio.sleep(ahead)
            tasks.create_task(to.get(path, due, figures))
    figures.seconds = time.perf_counter() - start
    return figures


async def closed_loop(paths: Sequence[str], callers: int, seconds: float, to: Connections) -> float:
    """Answers a second when each of ``callers`` asks again as soon as it has its answer."""
    figures, start = Figures(), time.perf_counter()

    async def call(first: int) -> None:
        for path in cycle(paths[first::callers]):
            now = time.perf_counter()
            if now - start >= seconds:
                return
            await to.get(path, now, figures)

    async with asyncio.TaskGroup() as tasks:
        for first in range(callers):
            tasks.create_task(call(first))
    return len(figures.latencies) / (time.perf_counter() - start)
