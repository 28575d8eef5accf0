"""Without tokens: programs of this machine may ask, pages of other sites in its browser may not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from headrace.serve.auth.address import is_loopback
from headrace.serve.auth.challenge import forbidden
from headrace.topology.auth import Cors


class Neighbours:
    """Refuses what a browser sends for a page that is not from here.

    Such a page can give its own host name our address, and then reads answers; or it sends events
    from a form. Browsers tell both, by Host and Origin. What has neither is no browser.
    """

    def __init__(self, cors: Cors | None) -> None:
        self._origins = frozenset(() if cors is None else cors.origins)

    def check(self, scope: Mapping[str, Any]) -> None:
        """Raise Problem 403."""
        for name, value in scope["headers"]:
            if name == b"host":
                host = value.decode("latin-1")
                if not _is_here(f"//{host}"):
                    raise forbidden(
                        "host", "without serve.auth only 127.0.0.1 and localhost are answered for"
                    )
            elif name == b"origin":
                origin = value.decode("latin-1")
                if origin not in self._origins and not _is_here(origin):
                    raise forbidden("origin", "pages of this origin are not among serve.cors")


def _is_here(url: str) -> bool:
    try:
        return is_loopback(urlsplit(url).hostname or "")
    except ValueError:
        return False
