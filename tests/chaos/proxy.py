"""A TCP proxy between workers and one service that can fail like a network."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Coroutine
from typing import Any

READ = 1 << 16
#: SO_LINGER on with 0 s: close() sends RST instead of FIN.
ABORT = struct.pack("ii", 1, 0)


class Proxy:
    """Listens on a free port of 127.0.0.1 and passes bytes to ``target`` (host, port).

    Its setters may be called from any thread, and hold for present and coming connections.
    """

    def __init__(self, target: tuple[str, int], tls: ssl.SSLContext | None = None) -> None:
        """With ``tls`` it ends TLS, and passes on what was inside."""
        self.target = target
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self._latency_s = 0.0
        self._lose = 0
        #: Answers that a service gave and no worker got.
        self.lost = 0
        self._loop = asyncio.new_event_loop()
        self._open = asyncio.Event()
        self._open.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._thread.start()
        self._server: asyncio.Server = self._call(
            asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=tls)
        )
        self.port: int = self._server.sockets[0].getsockname()[1]

    def reset(self) -> None:
        """Send RST on every open connection."""
        self._soon(self._reset)

    def latency(self, seconds: float) -> None:
        """Hold every piece of data back for so long, in both directions; 0 ends it."""
        self._soon(lambda: setattr(self, "_latency_s", seconds))

    def black_hole(self, on: bool) -> None:
        """Take everything and pass nothing on, as a dropped route does; ending it resets."""

        def switch() -> None:
            if on:
                self._open.clear()
            else:
                self._reset()
                self._open.set()

        self._soon(switch)

    def lose_answers(self, count: int) -> None:
        """Let the next ``count`` requests through, and reset instead of passing the answer on."""
        self._soon(lambda: setattr(self, "_lose", count))

    def close(self) -> None:
        """Stop listening, drop all connections."""
        self._call(self._end())
        self._soon(self._loop.stop)
        self._thread.join()

    async def _end(self) -> None:
        self._server.close()
        self._reset()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _call(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()

    def _soon(self, action: Callable[[], None]) -> None:
        self._loop.call_soon_threadsafe(action)

    def _reset(self) -> None:
        for pair in list(self._pairs):
            self._abort(pair)

    def _abort(self, pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter]) -> None:
        self._pairs.discard(pair)
        for writer in pair:
            raw = writer.get_extra_info("socket")
            if raw is not None and raw.fileno() >= 0:
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._open.wait()
        try:
            up_reader, up_writer = await asyncio.open_connection(*self.target)
        except OSError:
            writer.transport.abort()  # as the service itself would refuse
            return
        pair = (writer, up_writer)
        self._pairs.add(pair)
        tasks = [
            asyncio.create_task(self._pump(reader, up_writer, pair, answers=False)),
            asyncio.create_task(self._pump(up_reader, writer, pair, answers=True)),
        ]
        await asyncio.wait(tasks)
        self._pairs.discard(pair)

    async def _pump(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        pair: tuple[asyncio.StreamWriter, asyncio.StreamWriter],
        answers: bool,
    ) -> None:
        try:
            while data := await reader.read(READ):
                if self._latency_s:
                    await asyncio.sleep(self._latency_s)
                await self._open.wait()
                if answers and self._lose:
                    self._lose -= 1
                    self.lost += 1
                    self._abort(pair)
                    return
                writer.write(data)
                await writer.drain()
            writer.close()
        except OSError:
            self._abort(pair)  # one side broke: the other sees it break
