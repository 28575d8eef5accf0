"""The open loop keeps its schedule, and counts what had to wait behind a slow answer."""

from __future__ import annotations

import asyncio

from bench.load import Connections, open_loop

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
STALL_S = 0.5


async def test_a_stall_counts_for_all_that_were_due_meanwhile():
    asked = 0

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        while await reader.readline():
            while (await reader.readline()).strip():
                pass
            asked += 1
            if asked == 20:
                await asyncio.sleep(STALL_S)
            writer.write(ANSWER)
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    to = Connections(host, port, 1, None)
    await to.open()
    figures = await open_loop(["/"] * 100, 100.0, to)
    await to.close()
    server.close()
    assert figures.statuses == {200: 100}
    delayed = [one for one in figures.latencies if one > 100]
    # Those due within 0.4 s after the stall began; a closed loop would have counted one.
    assert 30 <= len(delayed) <= 60
    assert max(figures.latencies) >= STALL_S * 1000
