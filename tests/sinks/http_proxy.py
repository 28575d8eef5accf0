"""An HTTP proxy before the real ClickHouse, which can answer in its place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
from aiohttp import web


class Proxy:
    """Before the real server; ``answer`` may answer an INSERT in its place."""

    def __init__(self, behind: str) -> None:
        self.inserts: list[str] = []
        self.answer: Callable[[web.Request, str], Any] = lambda _, __: None
        self.url = ""
        self._behind = behind
        self._session: Any = None
        self._runner: Any = None

    async def __aenter__(self) -> Proxy:
        self._session = aiohttp.ClientSession(auto_decompress=False)
        app = web.Application(client_max_size=1 << 30)
        app.router.add_route("*", "/", self._handle)
        self._runner = web.AppRunner(app, auto_decompress=False, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._session.close()

    async def _handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        if body.startswith(b"INSERT"):
            line = body.split(b"\n", 1)[0].decode()
            self.inserts.append(line)
            answer = self.answer(request, line)
            if asyncio.iscoroutine(answer):
                answer = await answer
            if answer is not None:
                return answer
        headers = {k: v for k, v in request.headers.items() if k not in ("Host", "Content-Length")}
        async with self._session.request(
            request.method, self._behind, params=request.query, data=body, headers=headers
        ) as got:
            kept = {k: v for k, v in got.headers.items() if k.startswith(("X-", "Content-Enc"))}
            return web.Response(status=got.status, body=await got.read(), headers=kept)
