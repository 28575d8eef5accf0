"""A Redis client for synchronous code: commands that run to their end, one at a time."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from headrace.security.redis import connect
from sinks.redis.errors import ERRORS, classify

T = TypeVar("T")


class Blocking:
    """Runs a client of :func:`connect`, of any address that it takes, in a loop of its own.

    Safe to use from many threads, not from code that runs in an event loop itself.
    """

    def __init__(self, url: str) -> None:
        """Nothing is sent yet. Raises ConfigError for an address of no known form."""
        self._client = connect(url)
        self._runner = asyncio.Runner()
        self._lock = threading.Lock()

    def run(self, what: str, call: Callable[[Any], Awaitable[T]]) -> T:
        """What ``call`` gets from the client; raises Transient or Terminal, saying ``what``."""

        async def ask() -> T:
            return await call(self._client)

        with self._lock:
            try:
                return self._runner.run(ask())
            except ERRORS as error:
                raise classify(error, f"redis: {what}") from error

    def close(self) -> None:
        """Disconnect."""
        with self._lock:
            self._runner.run(self._client.aclose())
            self._runner.close()
