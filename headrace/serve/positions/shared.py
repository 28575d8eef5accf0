"""A reading that many callers share: repeated only so often, by one of them for all."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from headrace.clock import Clock
from headrace.errors import Transient
from headrace.serve.positions.position import Position

log = logging.getLogger(__name__)
#: A position that is so old still holds: sinks only ever hold more.
REFRESH_S = 0.1


class Shared:
    """The newest position of a store.

    A store that does not answer leaves the last position as it is, which is still no promise too
    many; before there is any, the position is empty.
    """

    def __init__(self, name: str, read: Callable[[], Awaitable[Position]], clock: Clock) -> None:
        self._name = name
        self._read = read
        self._clock = clock
        self._position: Position = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def now(self) -> Position:
        """The position, read within the last REFRESH_S if the store answers."""
        if self._clock.monotonic() - self._read_at >= REFRESH_S:
            if self._reading is None:
                self._reading = asyncio.create_task(self._refresh())
            await asyncio.shield(self._reading)
        return self._position

    async def _refresh(self) -> None:
        started = self._clock.monotonic()
        try:
            self._position = await self._read()
        except Transient as error:
            log.warning("%s: position not read: %s", self._name, error)
        finally:
            self._read_at = started
            self._reading = None
