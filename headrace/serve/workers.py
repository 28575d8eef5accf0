"""What the workers tell of themselves."""

from __future__ import annotations

from typing import Any

import orjson
import redis
from redis.exceptions import RedisError

from headrace.errors import Transient
from headrace.worker_state import WorkerState, workers_key

TIMEOUT_S = 3.0


class WorkersReader:
    """Reads the states of all workers of a pipeline, on one connection."""

    def __init__(self, url: str, prefix: str) -> None:
        self._client: Any = redis.Redis.from_url(
            url, socket_timeout=TIMEOUT_S, socket_connect_timeout=TIMEOUT_S, max_connections=1
        )
        self._index = workers_key(prefix)

    def read(self) -> list[WorkerState]:
        """Those told in the last 10 s, also of workers that have stopped. Raises Transient."""
        try:
            keys = self._client.zrange(self._index, 0, -1)
            states = self._client.mget(keys) if keys else []
        except RedisError as error:
            raise Transient(f"redis: can't read the workers' states: {error}") from error
        return [orjson.loads(state) for state in states if state is not None]

    def close(self) -> None:
        """Disconnect."""
        self._client.close()
