"""Streams end with their caller's token."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator

from headrace.serve.streams import until


class Source:
    """Events that go on for ever, or wait for ever after the first; knows whether it was closed."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent
        self.closed = False

    async def events(self) -> AsyncGenerator[int, None]:
        number = 0
        try:
            while True:
                yield number
                number += 1
                await (asyncio.Event().wait() if self.silent else asyncio.sleep(0))
        finally:
            self.closed = True


async def test_a_stream_ends_with_its_token_whether_events_come_or_not() -> None:
    for silent in (True, False):
        source = Source(silent=silent)
        end_ms = int(time.time() * 1000) + 200
        async with asyncio.timeout(60):
            found = [event async for event in until(end_ms, source.events())]
        assert time.time() * 1000 >= end_ms
        assert found == [0] if silent else found[:2] == [0, 1]
        assert source.closed


async def test_a_token_that_has_ended_gets_nothing() -> None:
    source = Source(silent=False)
    assert [event async for event in until(0, source.events())] == []


async def test_without_an_end_a_stream_goes_on_until_it_is_left() -> None:
    source = Source(silent=False)
    stream = until(None, source.events())
    assert [await anext(stream) for _ in range(100)] == list(range(100))
    await stream.aclose()  # type: ignore[attr-defined]
    assert source.closed
