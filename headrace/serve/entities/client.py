"""The serving process's connections to Redis: few, however many callers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from redis.exceptions import RedisClusterException, RedisError

from headrace.errors import ConfigError, Transient
from headrace.security.redis import connect
from headrace.serve.context import Context

#: Round trips at a time, and so connections to one server.
CONNECTIONS = 8

Command = tuple[str | int, ...]


class Keys:
    """Runs commands in pipelines. Connects when it is first asked."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client: Any = None
        self._turns = asyncio.Semaphore(CONNECTIONS)

    async def ask(self, commands: Sequence[Command]) -> list[Any]:
        """Answers in the order of the commands, which run in that order on each server.

        Raises Transient when a server is away or refuses.
        """
        async with self._turns:
            try:
                pipeline = self._connected().pipeline(transaction=False)
                for command in commands:
                    pipeline.execute_command(*command)
                answers: list[Any] = await pipeline.execute()
            except (RedisError, RedisClusterException, OSError, TimeoutError) as error:
                raise Transient(f"redis: {error}") from error
        return answers

    def _connected(self) -> Any:
        if self._client is None:
            try:
                self._client = connect(self._context.endpoints.redis)
            except ConfigError as error:
                raise Transient(f"redis: {error}") from error
        return self._client

    async def close(self) -> None:
        """Disconnect."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
