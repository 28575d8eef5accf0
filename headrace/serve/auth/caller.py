"""The caller of a request, as routes see it."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi.security import SecurityScopes


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client.

    ``tenant`` is None for callers who see all tenants' rows; with one, only rows of that tenant may
    be answered, and what has no tenant column may not be answered at all.
    """

    subject: str
    scopes: frozenset[str]
    tenant: str | None = None


def calling(required: SecurityScopes) -> Caller:
    """The caller, who has the route's scopes."""
    return Caller("anonymous", frozenset(required.scopes))
