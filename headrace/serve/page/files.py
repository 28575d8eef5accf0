"""The page's built files: the index asked for again each time, all else kept for ever."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import BaseRoute, Match, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

STATIC: Final = Path(__file__).parent / "static"
#: The names of assets carry a hash of their content (vite.config.ts).
KEPT: Final = "public, max-age=31536000, immutable"


class HtmlRoute(Route):
    """A route for who reads HTML; who does not goes on to the next route of the same path.

    Consoles of schema registries ask ``/`` for ``{}``, browsers for a page.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route answers the request."""
        accepted = Headers(scope=scope).get("accept", "") if scope["type"] == "http" else ""
        return super().matches(scope) if "text/html" in accepted else (Match.NONE, {})


class Assets(StaticFiles):
    """Files that never change under their name."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """The answer with the file."""
        response = super().file_response(*args, **kwargs)
        response.headers["Cache-Control"] = KEPT
        return response


def routes() -> list[BaseRoute]:
    """The page at ``/`` and what it loads."""
    return [
        HtmlRoute("/", _index, include_in_schema=False),
        Mount("/assets", Assets(directory=STATIC / "assets"), name="assets"),
    ]


async def _index(_: Request) -> Response:
    headers = {"Cache-Control": "no-cache", "Vary": "Accept"}
    return FileResponse(STATIC / "index.html", headers=headers)
