"""A client of an app in this process, which is gone as soon as it has the answer's first bytes."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message

#: A route that takes longer to begin its answer has let the caller in.
PATIENCE_S = 2.0


@dataclass(frozen=True)
class Answer:
    """Status 0: the route was at work, and was not waited for."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json"
        return dict(json.loads(self.body))


async def ask(
    app: ASGIApp,
    path: str,
    token: str | None = None,
    *,
    method: str = "GET",
    scheme: str = "http",
    address: str = "198.51.100.7",
    **headers: str,
) -> Answer:
    """One request. Names of headers are written with underscores."""
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        fields["authorization"] = f"Bearer {token}"
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method,
        "scheme": scheme, "path": path, "raw_path": path.encode(), "query_string": b"",
        "root_path": "", "client": (address, 50_000), "server": ("127.0.0.1", 80),
        "headers": [(name.encode(), value.encode("latin-1")) for name, value in fields.items()],
    }  # fmt: skip
    loop = asyncio.get_running_loop()
    started: asyncio.Future[Message] = loop.create_future()
    first: asyncio.Future[bytes] = loop.create_future()
    sent = False

    async def receive() -> Message:
        nonlocal sent
        if sent:
            await asyncio.Event().wait()
        sent = True
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            started.set_result(message)
        elif not first.done():
            first.set_result(message.get("body", b""))

    serving = asyncio.ensure_future(app(scope, receive, send))
    await asyncio.wait({serving, first}, timeout=PATIENCE_S, return_when="FIRST_COMPLETED")
    serving.cancel()
    with suppress(asyncio.CancelledError, Exception):  # a 500 is an answer, too
        await serving
    if not started.done():
        return Answer(0, {})
    message = started.result()
    found = {name.decode(): value.decode("latin-1") for name, value in message["headers"]}
    return Answer(message["status"], found, first.result() if first.done() else b"")
