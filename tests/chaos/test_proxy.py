"""The proxy's faults are what they say, on a plain echo server."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from tests.chaos.proxy import Proxy

HEARD: list[bytes] = []


@pytest.fixture
async def proxy() -> AsyncIterator[Proxy]:
    HEARD.clear()

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            HEARD.append(data)
            writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    made = Proxy(server.sockets[0].getsockname()[:2])
    yield made
    made.close()
    server.close()


async def say(proxy: Proxy, word: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    try:
        writer.write(word)
        return await reader.read(100)
    finally:
        writer.close()


async def test_passes(proxy: Proxy):
    assert await say(proxy, b"hello") == b"hello"


async def test_a_lost_answer_was_a_request_that_arrived(proxy: Proxy):
    proxy.lose_answers(1)
    with pytest.raises(ConnectionResetError):
        await say(proxy, b"once")
    assert HEARD == [b"once"]
    assert proxy.lost == 1
    assert await say(proxy, b"again") == b"again"


async def test_reset(proxy: Proxy):
    reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
    writer.write(b"a")
    assert await reader.read(1) == b"a"
    proxy.reset()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()


async def test_latency(proxy: Proxy):
    proxy.latency(0.1)
    began = time.monotonic()
    assert await say(proxy, b"slow") == b"slow"
    assert time.monotonic() - began >= 0.2


async def test_a_black_hole_answers_nothing_until_it_ends(proxy: Proxy):
    proxy.black_hole(True)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(say(proxy, b"lost"), 0.2)
    assert HEARD == []
    proxy.black_hole(False)
    assert await say(proxy, b"back") == b"back"


async def test_a_service_that_is_away_refuses(proxy: Proxy):
    proxy.target = ("127.0.0.1", 1)
    try:
        answer = await say(proxy, b"x")
    except ConnectionError:
        answer = b""
    assert answer == b""
