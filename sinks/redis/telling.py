"""A worker's state in Redis, beside the data and never in its way."""

from __future__ import annotations

import orjson

from headrace.security.redis import connect
from headrace.worker_state import EXPIRES_S, WorkerState, worker_key, workers_key
from sinks.redis.errors import ERRORS, classify


class Telling:
    """Writes states. On a connection of its own: a slow write here holds up no block."""

    def __init__(self, url: str, prefix: str) -> None:
        """Nothing is sent yet. Raises ConfigError for an address of no known form."""
        self._client = connect(url)
        self._prefix = prefix

    async def tell(self, state: WorkerState) -> None:
        """Replace the worker's state. Raises Transient or Terminal."""
        key = worker_key(self._prefix, state["host"], state["pid"])
        index = workers_key(self._prefix)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.setex(key, EXPIRES_S, orjson.dumps(state))
        pipeline.zadd(index, {key: state["at"]})
        pipeline.zremrangebyscore(index, "-inf", state["at"] - EXPIRES_S * 1000)
        pipeline.expire(index, EXPIRES_S)
        try:
            await pipeline.execute()
        except ERRORS as error:
            raise classify(error, "redis: the worker's state") from error

    async def close(self) -> None:
        """Disconnect."""
        await self._client.aclose()
