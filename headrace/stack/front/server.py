"""The HTTP server: one handler, errors as ClickHouse words them."""

from __future__ import annotations

import uuid
from collections.abc import Mapping

import chdb
import orjson
from aiohttp import web
from chdb._exceptions import ChdbError

from headrace.stack.front.codes import AUTHENTICATION_FAILED, BAD_ARGUMENTS, code_of, status_of
from headrace.stack.front.compression import MAX_BODY_BYTES, UnknownEncoding, compress
from headrace.stack.front.engine import Answer, Engine
from headrace.stack.front.request import Ask, BadRequest, parse
from headrace.stack.front.users import known


class Front:
    """Serves an engine to the users given (name → password)."""

    def __init__(self, engine: Engine, users: Mapping[str, str]) -> None:
        self._engine = engine
        self._users = users

    def app(self) -> web.Application:
        """The aiohttp application."""
        app = web.Application(client_max_size=MAX_BODY_BYTES)
        app.router.add_get("/ping", self._ping)
        app.router.add_route("*", "/", self._handle)
        app.router.add_get("/replicas_status", self._ping)
        app.on_startup.append(lambda _: self._engine.start())
        app.on_cleanup.append(lambda _: self._engine.stop())
        return app

    async def _ping(self, _: web.Request) -> web.Response:
        return web.Response(text="Ok.\n")

    async def _handle(self, request: web.Request) -> web.Response:
        url = dict(request.query)
        if request.method == "GET" and not url.get("query"):
            return web.Response(text="Ok.\n")
        if not known(self._users, url, request.headers):
            return _error(
                AUTHENTICATION_FAILED,
                "Authentication failed: password is incorrect, or there is no user with such name.",
                "AUTHENTICATION_FAILED",
            )
        try:
            ask = parse(url, request.headers, await request.read())
        except (BadRequest, UnknownEncoding) as error:
            return _error(BAD_ARGUMENTS, str(error), "BAD_ARGUMENTS", status=400)
        try:
            answer = await self._engine.run(ask)
        except ChdbError as error:
            text = str(error)
            return _failure(code_of(text), text)
        return _respond(ask, answer, url.get("query_id") or str(uuid.uuid4()))


def _respond(ask: Ask, answer: Answer, query_id: str) -> web.Response:
    summary = {
        "read_rows": str(answer.read_rows),
        "read_bytes": str(answer.read_bytes),
        "written_rows": str(answer.written_rows),
        "written_bytes": str(answer.written_bytes),
        "total_rows_to_read": "0",
        "result_rows": str(answer.written_rows or answer.read_rows),
        "result_bytes": str(len(answer.output)),
        "elapsed_ns": "0",
    }
    headers = {
        "X-ClickHouse-Summary": orjson.dumps(summary).decode(),
        "X-ClickHouse-Query-Id": query_id,
        "X-ClickHouse-Timezone": "UTC",
        "X-ClickHouse-Format": ask.output_format,
        "X-ClickHouse-Server-Display-Name": "headrace-chdb",
    }
    body = answer.output
    if ask.compress_with is not None and body:
        body = compress(body, ask.compress_with)
        headers["Content-Encoding"] = ask.compress_with
    return web.Response(body=body, headers=headers, content_type="application/octet-stream")


def _error(code: int, text: str, name: str, status: int | None = None) -> web.Response:
    return _failure(code, f"Code: {code}. DB::Exception: {text} ({name})", status)


def _failure(code: int, text: str, status: int | None = None) -> web.Response:
    return web.Response(
        status=status or status_of(code),
        text=f"{text} (version {chdb.engine_version})\n",
        headers={"X-ClickHouse-Exception-Code": str(code)},
    )
