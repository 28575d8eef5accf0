"""Answers that are in the cache, given to whoever repeats a request, without its route.

A route costs more than all the rest of a read from the cache: parameters are parsed and checked,
dependencies solved, and they come out as they did for the same request a moment ago.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Final

from starlette.datastructures import Headers, QueryParams
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.clock import Clock
from headrace.serve.answers import ANSWERED, Answered, response
from headrace.serve.auth.caller import CALLER, Caller
from headrace.serve.cache import STALE_S, Cache

MAX_SHORTCUTS: Final = 2_000


@dataclass(frozen=True, slots=True)
class _Shortcut:
    """What a request turned out to ask. It may be something else later: ``last`` ends now."""

    question: Hashable
    max_age_s: int
    route: Any
    made_at: float


class Shortcuts:
    """Answers a GET as its route did, if the cache still has what the route took from there.

    To stand behind the guard: requests are the same when path, query, scopes and tenant are. Those
    that want a position always go to their route.
    """

    def __init__(self, app: ASGIApp, cache: Cache, clock: Clock) -> None:
        self._app = app
        self._cache = cache
        self._clock = clock
        self._held: OrderedDict[Hashable, _Shortcut] = OrderedDict()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        caller: Caller | None = scope.get(CALLER)
        if scope["type"] != "http" or scope["method"] != "GET" or caller is None:
            await self._app(scope, receive, send)
            return
        request = (scope["path"], scope["query_string"], caller.scopes, caller.tenant)
        began = self._clock.monotonic()
        shortcut = self._held.get(request)
        if shortcut is not None and began - shortcut.made_at < STALE_S:
            found = self._cache.fresh(shortcut.question)
            if found is not None:
                scope["route"] = shortcut.route  # whom the request is counted for
                wanted = Headers(scope=scope).get("if-none-match")
                await response(wanted, found, shortcut.max_age_s)(scope, receive, send)
                return
        await self._app(scope, receive, send)
        answered: Answered | None = scope.get(ANSWERED)
        if answered is not None and "at_least" not in QueryParams(scope["query_string"]):
            self._keep(request, _Shortcut(*answered, scope["route"], began))

    def _keep(self, request: Hashable, shortcut: _Shortcut) -> None:
        self._held[request] = shortcut
        self._held.move_to_end(request)
        if len(self._held) > MAX_SHORTCUTS:
            self._held.popitem(last=False)
