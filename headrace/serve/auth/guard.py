"""The guard before all routes: who asks, how often, and what is refused is noted."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.errors import Transient
from headrace.serve.auth.address import address
from headrace.serve.auth.caller import CALLER, Caller
from headrace.serve.auth.challenge import Refused, unauthorized
from headrace.serve.auth.limits import Buckets, Quota, headers
from headrace.serve.auth.neighbours import Neighbours
from headrace.serve.auth.refusals import Refusals
from headrace.serve.auth.routes import public
from headrace.serve.auth.scopes import SCOPES
from headrace.serve.auth.tokens import Tokens
from headrace.serve.problems import Problem, answer

log = logging.getLogger(__name__)

#: Whoever asks a process that checks no tokens, which listens on this machine only.
ANYBODY: Final = Caller("anonymous", frozenset(SCOPES))


@dataclass(frozen=True, slots=True)
class Checks:
    """What a guard checks by. Without ``tokens`` all ``neighbours`` are taken for ``ANYBODY``."""

    tokens: Tokens | None
    failures: Buckets | None
    neighbours: Neighbours
    limits: Buckets | None
    refusals: Refusals


class Guard:
    """Lets requests through to the app with their caller in the ASGI scope, or answers them.

    All paths but the public ones need a valid token, also those that have no route. What the
    caller may do there, the route's own dependency decides (``caller.Calling``).
    """

    def __init__(self, app: ASGIApp, checks: Checks) -> None:
        self._app = app
        self._checks = checks

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the process's start and end."""
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        elif scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
        elif public(scope["path"]):
            await self._app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller = await self._identify(scope)
            client = address(scope) if caller is ANYBODY else f"subject {caller.subject}"
            limits = self._checks.limits
            quota = None if limits is None else limits.take(client)
        except Problem as problem:
            await answer(problem, scope["path"])(scope, receive, send)
            return
        scope[CALLER] = caller
        await self._app(scope, receive, self._watched(send, client, quota))

    async def _identify(self, scope: Scope) -> Caller:
        """The caller; raises the Problem that answers the request."""
        tokens, failures = self._checks.tokens, self._checks.failures
        if tokens is None or failures is None:
            self._checks.neighbours.check(scope)
            return ANYBODY
        client = address(scope)
        try:
            token = _bearer(scope)
            known = tokens.known(token)
            if known is not None:
                return known
            # Before the signature is looked at: that costs more than all the rest.
            failures.refuse_empty(client)
            return await tokens.check(token)
        except Refused as refused:
            self._checks.refusals.note(client, refused.reason)
            failures.take(client)
            raise unauthorized(refused) from None
        except Transient as error:
            log.warning("Tokens can't be checked: %s", error)
            raise Problem(
                503, "issuer-unavailable", str(error), headers={"Retry-After": "10"}
            ) from error

    def _watched(self, send: Send, client: str, quota: Quota | None) -> Send:
        """``send`` that tells what is left of the quota, and notes what a route refused."""
        limits = self._checks.limits

        async def watched(message: Message) -> None:
            if message["type"] == "http.response.start":
                if message["status"] == 403:
                    self._checks.refusals.note(client, "forbidden")
                if limits is not None and quota is not None:
                    message["headers"] = [*message["headers"], *headers(limits, quota)]
            await send(message)

        return watched

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the process's start and end on; what was refused is written at its end."""

        async def ending() -> Message:
            message = await receive()
            if message["type"] == "lifespan.shutdown":
                await asyncio.to_thread(self._checks.refusals.close)
            return message

        await self._app(scope, ending, send)


def _bearer(scope: Scope) -> str:
    """The token of the Authorization header; a token in the URL would be in every log."""
    found: list[bytes] = [v for name, v in scope["headers"] if name == b"authorization"]
    if not found:
        raise Refused("no-token", "send a token: Authorization: Bearer …")
    scheme, _, token = found[0].decode("latin-1").partition(" ")
    if len(found) > 1 or scheme.lower() != "bearer" or not token.strip():
        raise Refused("malformed", "the Authorization header is not one Bearer token")
    return token.strip()
