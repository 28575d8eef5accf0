"""``GET /v1/features/{user}`` without the router, which costs as much as the read itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from starlette.datastructures import Headers
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp, Receive, Scope, Send

from headrace.errors import Transient
from headrace.serve import problems
from headrace.serve.answers import response
from headrace.serve.auth.caller import CALLER, Caller
from headrace.serve.entities.lookups import Lookups
from headrace.serve.entities.routes import FEATURES, MAX_ID

PREFIX: Final = FEATURES.partition("{")[0]


class Direct:
    """Answers, behind the guard, what the route surely would; all else goes to the route.

    That is who has not the scope, who has a tenant, an id that is none, and any parameters.
    """

    def __init__(self, app: ASGIApp, lookups: Lookups, routes: Sequence[BaseRoute]) -> None:
        self._app = app
        self._lookups = lookups
        paths = (route for route in routes if isinstance(route, Route))
        self._route = next(route for route in paths if route.path == FEATURES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        user = _user(scope)
        if user is None:
            await self._app(scope, receive, send)
            return
        scope["route"] = self._route  # whom the request is counted for
        try:
            found = await self._lookups.features(user, (), 0)
        except Transient as error:
            await problems.answer(problems.unavailable(error), scope["path"])(scope, receive, send)
            return
        await response(Headers(scope=scope).get("if-none-match"), found, 0)(scope, receive, send)


def _user(scope: Scope) -> str | None:
    """Whose features may be answered without the route."""
    if scope["type"] != "http" or scope["method"] != "GET" or scope["query_string"]:
        return None
    path: str = scope["path"]
    if not path.startswith(PREFIX):
        return None
    user = path[len(PREFIX) :]
    caller: Caller | None = scope.get(CALLER)
    may = caller is not None and caller.tenant is None and "features:read" in caller.scopes
    return user if may and 0 < len(user) <= MAX_ID and "/" not in user else None
