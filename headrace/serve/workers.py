"""What the workers tell of themselves."""

from __future__ import annotations

import asyncio

import orjson
from redis.exceptions import RedisClusterException, RedisError

from headrace.errors import Transient
from headrace.security.redis import connect
from headrace.worker_state import WorkerState, workers_key


class WorkersReader:
    """Reads the states of all workers of a pipeline, in a loop of its own: for one thread."""

    def __init__(self, url: str, prefix: str) -> None:
        """Nothing is sent yet. Raises ConfigError for an address of no known form."""
        self._client = connect(url)
        self._index = workers_key(prefix)
        self._runner = asyncio.Runner()

    def read(self) -> list[WorkerState]:
        """Those told in the last 10 s, also of workers that have stopped. Raises Transient."""
        try:
            states = self._runner.run(self._ask())
        except (RedisError, RedisClusterException) as error:
            raise Transient(f"redis: can't read the workers' states: {error}") from error
        return [orjson.loads(state) for state in states if state is not None]

    async def _ask(self) -> list[bytes | None]:
        pipeline = self._client.pipeline(transaction=False)
        for key in await self._client.zrange(self._index, 0, -1):
            pipeline.get(key)
        return list(await pipeline.execute())

    def close(self) -> None:
        """Disconnect."""
        self._runner.run(self._client.aclose())
        self._runner.close()
