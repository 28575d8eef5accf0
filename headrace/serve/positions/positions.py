"""Positions of views and keyspaces, and waiting for them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from headrace.clock import Clock
from headrace.errors import ConfigError, Transient
from headrace.serve.context import Context
from headrace.serve.positions.committed import Committed
from headrace.serve.positions.position import AtLeast, Position
from headrace.serve.positions.shared import REFRESH_S, Shared
from headrace.serve.problems import Problem


class Positions:
    """Positions are read before the data that they are claimed for: they never claim too much.

    ClickHouse's is the group's committed one: a table's own mark costs a scan, see
    docs/decisions/0005. Redis tells by its fences, which are ahead of the commit.
    """

    def __init__(
        self, context: Context, fences: Callable[[], Awaitable[Position]], clock: Clock
    ) -> None:
        self._context = context
        self._clock = clock
        self._committed: Committed | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="positions")
        self._tables = Shared("kafka", self._read_committed, clock)
        self._keys = Shared("redis", fences, clock)

    def topics_of_view(self, view: str) -> tuple[str, ...]:
        """The topics that feed a view of ClickHouse."""
        config = self._context.topology.clickhouse
        return tuple(dict.fromkeys(config.tables[t].topic for t in config.views[view].from_))

    def topics_of_keyspaces(self, keyspaces: Iterable[str]) -> tuple[str, ...]:
        """The topics that feed any of some keyspaces."""
        wanted = set(keyspaces)
        agents = self._context.topology.agents.values()
        return tuple(
            dict.fromkeys(t for a in agents if wanted & set(a.writes.keyspaces) for t in a.reads)
        )

    async def of_tables(self, topics: Sequence[str]) -> Position:
        """How far ClickHouse is in some topics; empty while nobody can tell."""
        position = await self._tables.now()
        return {topic: position[topic] for topic in topics if topic in position}

    async def of_keys(self, topics: Sequence[str]) -> Position:
        """How far Redis is in some topics; empty while nobody can tell."""
        position = await self._keys.now()
        return {topic: position[topic] for topic in topics if topic in position}

    async def wait(
        self,
        now: Callable[[Sequence[str]], Awaitable[Position]],
        records: Sequence[AtLeast],
        wait_ms: int,
    ) -> None:
        """Return when all records are reflected; raises Problem when they are not in time."""
        topics = list(dict.fromkeys(record.topic for record in records))
        deadline = self._clock.monotonic() + wait_ms / 1000
        while True:
            position = await now(topics)
            missing = [record for record in records if not record.reached(position)]
            if not missing:
                return
            if self._clock.monotonic() >= deadline:
                shown = ", ".join(map(str, missing))
                detail = f"{shown} is not reflected after {wait_ms} ms; ask again, or wait longer"
                raise Problem(
                    504, "not-reached", detail, headers={"Retry-After": "1"}, position=position
                )
            await asyncio.sleep(REFRESH_S / 2)

    async def _read_committed(self) -> Position:
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._ask)

    def _ask(self) -> Position:
        if self._committed is None:
            try:
                self._committed = Committed(self._context.topology, self._context.endpoints.kafka)
            except ConfigError as error:
                raise Transient(f"kafka: {error}") from error
        return self._committed.read()

    async def close(self) -> None:
        """Disconnect."""
        if self._committed is not None:
            await asyncio.to_thread(self._committed.close)
        self._thread.shutdown()
