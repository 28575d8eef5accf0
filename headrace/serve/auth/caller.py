"""The caller of a request, as routes see it."""

from __future__ import annotations

from dataclasses import dataclass, field

from fastapi import Request
from fastapi.openapi.models import HTTPBearer
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from headrace.serve.auth.challenge import forbidden
from headrace.serve.auth.scopes import SCOPES, Tenancy

#: Where the guard leaves the caller in a request's ASGI scope.
CALLER = "headrace.caller"


@dataclass(frozen=True, slots=True)
class Caller:
    """An authenticated client.

    ``tenant`` is None for callers who see all tenants' rows; with one, only rows of that tenant may
    be answered, and what has no tenant column may not be answered at all. ``until_ms`` is when the
    token ends (since 1970; None: never): what is answered at once need not look.
    """

    subject: str
    scopes: frozenset[str]
    tenant: str | None = None
    until_ms: int | None = field(default=None, compare=False)

    def rows_of(self, column: str | None, what: str) -> tuple[tuple[str, str], ...]:
        """What must hold for rows that may be answered: nothing, or a column's value.

        Raises Problem 403 when the caller has a tenant and ``what`` has no column for it.
        """
        if self.tenant is None:
            return ()
        if column is None:
            raise forbidden("tenant", f"{what} can't be split by tenant, and the token names one")
        return ((column, self.tenant),)


class Calling(SecurityBase):
    """The dependency that routes declare: the caller, who has the route's scopes.

    Answers 403 to a caller who lacks one, and to a tenant's caller where the scope's data can't be
    split by tenant. The guard has put the caller there; without it the request is refused, too.
    """

    scheme_name = "token"

    def __init__(self) -> None:
        self.model = HTTPBearer(bearerFormat="JWT", description="docs/auth.md")

    async def __call__(self, required: SecurityScopes, request: Request) -> Caller:
        caller: Caller | None = request.scope.get(CALLER)
        if caller is None:
            raise forbidden("guard", "nobody has checked who asks")
        missing = [scope for scope in required.scopes if scope not in caller.scopes]
        if missing:
            raise forbidden(
                "scope",
                f"the token lacks the scope {' '.join(missing)!r}",
                scope=required.scope_str,
            )
        if caller.tenant is not None:
            for scope in required.scopes:
                if SCOPES[scope].tenancy is Tenancy.REFUSED:
                    raise forbidden(
                        "tenant", f"what {scope!r} gives can't be split by tenant, "
                        "and the token names one",
                    )  # fmt: skip
        return caller


calling = Calling()
