"""Refusals as RFC 6750 words them: problem documents with WWW-Authenticate."""

from __future__ import annotations

from headrace.serve.problems import Problem

REALM = 'Bearer realm="headrace"'


class Refused(Exception):
    """The request has no token that can be taken; ``reason`` is one of a few stable words."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason
        self.detail = detail


def unauthorized(refused: Refused) -> Problem:
    """401. A request that brought no token is told so without an error code."""
    challenge = REALM
    if refused.reason != "no-token":
        challenge += f', error="invalid_token", error_description="{refused.detail}"'
    return _problem(401, refused.reason, refused.detail, challenge)


def forbidden(reason: str, detail: str, *, scope: str | None = None) -> Problem:
    """403; ``scope`` is what the route asks for, when that is what the token lacks."""
    challenge = REALM
    if scope is not None:
        challenge += f', error="insufficient_scope", scope="{scope}"'
    return _problem(403, reason, detail, challenge)


def _problem(status: int, reason: str, detail: str, challenge: str) -> Problem:
    # Also the members that the schema registry's clients look for.
    registry = {"error_code": status, "message": f"HTTP {status}: {detail}"}
    headers = {"WWW-Authenticate": challenge, "Cache-Control": "no-store"}
    return Problem(status, f"access-{reason}", detail, headers=headers, **registry)
