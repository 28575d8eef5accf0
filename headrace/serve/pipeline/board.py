"""One reader of the pipeline's state for all who look at it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

from headrace.endpoints import Endpoints
from headrace.serve.pipeline import sources
from headrace.serve.pipeline.model import Pipeline
from headrace.serve.pipeline.observer import Observer
from headrace.serve.pipeline.poll import Poll
from headrace.topology.model import Topology

EVERY_S = 1.0


class Board:
    """Looks once a second, whoever looks on; ``now`` is the last state, ``json`` its text."""

    def __init__(self, topology: Topology, where: Endpoints) -> None:
        self._kafka = Poll("kafka", sources.lags(topology, where))
        self._redis = Poll("redis", sources.workers(topology, where))
        self._clickhouse = Poll("clickhouse", sources.clickhouse(where))
        self._observer = Observer(topology)
        self._changed = asyncio.Condition()
        self.now = self._look()
        self.json = self.now.model_dump_json()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Look until left."""
        polls: list[Poll[object]] = [self._kafka, self._redis, self._clickhouse]  # type: ignore[list-item]
        for poll in polls:
            poll.start()
        task = asyncio.create_task(self._run(), name="pipeline state")
        try:
            yield
        finally:
            for poll in polls:
                poll.stop()
            task.cancel()
            await asyncio.wait([task])

    async def changes(self) -> AsyncIterator[str]:
        """The state as JSON, now and whenever it was looked at again."""
        while True:
            yield self.json
            async with self._changed:
                await self._changed.wait()

    async def _run(self) -> None:
        while True:
            self.now = self._look()
            self.json = self.now.model_dump_json()
            async with self._changed:
                self._changed.notify_all()
            await asyncio.sleep(EVERY_S)

    def _look(self) -> Pipeline:
        return self._observer.picture(
            self._kafka.seen,
            self._redis.seen,
            self._clickhouse.seen,
            time.time_ns() // 1_000_000,
            time.monotonic(),
        )
