"""Server-sent events: one reader for all that look at the same thing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Hashable
from contextlib import aclosing
from typing import TypeVar

from headrace.clock import SystemClock
from headrace.errors import Transient
from headrace.serve.answers import Answer

T = TypeVar("T")

PERIOD_S = 1.0
#: A comment goes out so often where nothing changes, so that nobody on the way gives up.
QUIET_S = 15.0
_COMMENT = b": nothing new\n\n"


async def until(end_ms: int | None, events: AsyncGenerator[T, None]) -> AsyncIterator[T]:
    """``events`` up to a moment (ms since 1970; None: all), also when none comes at that moment.

    So a stream ends with its caller's token, and the client asks again with a new one.
    """
    clock = SystemClock()
    async with aclosing(events):
        while True:
            left_s = None if end_ms is None else (end_ms - clock.now_ms()) / 1000
            try:
                event = await asyncio.wait_for(anext(events), left_s)
            except (TimeoutError, StopAsyncIteration):
                return
            yield event


class Streams:
    """Live answers. A reader asks once a period, and stops when its last viewer leaves."""

    def __init__(self) -> None:
        self._readers: dict[Hashable, _Reader] = {}

    async def follow(
        self, question: Hashable, ask: Callable[[], Awaitable[Answer]]
    ) -> AsyncGenerator[bytes, None]:
        """Events of a question: its answer now, and whenever it has changed."""
        reader = self._readers.get(question)
        if reader is None:
            reader = self._readers[question] = _Reader(ask)
        reader.viewers += 1
        try:
            async for event in reader.events():
                yield event
        finally:
            reader.viewers -= 1
            if not reader.viewers:
                reader.stop()
                if self._readers.get(question) is reader:
                    del self._readers[question]


class _Reader:
    def __init__(self, ask: Callable[[], Awaitable[Answer]]) -> None:
        self.viewers = 0
        self._ask = ask
        self._event = b""
        self._number = 0
        self._changed = asyncio.Condition()
        self._task = asyncio.create_task(self._run())

    async def events(self) -> AsyncIterator[bytes]:
        seen = 0
        while True:
            try:
                async with asyncio.timeout(QUIET_S), self._changed:
                    await self._changed.wait_for(lambda: self._number != seen)  # noqa: B023
            except TimeoutError:
                if self._task.done():
                    await self._task
                yield _COMMENT
                continue
            seen = self._number
            yield self._event

    async def _run(self) -> None:
        tag = ""
        while True:
            try:
                found = await self._ask()
            except Transient:
                await asyncio.sleep(PERIOD_S)  # viewers keep what they have until the store is back
                continue
            if found.tag != tag:
                tag = found.tag
                async with self._changed:
                    self._event = b"id: %b\ndata: %b\n\n" % (
                        str(self._number + 1).encode(),
                        found.body,
                    )
                    self._number += 1
                    self._changed.notify_all()
            await asyncio.sleep(PERIOD_S)

    def stop(self) -> None:
        self._task.cancel()
