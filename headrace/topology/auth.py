"""Who may ask the serving process, how often, and from which pages."""

from __future__ import annotations

import re
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, StringConstraints
from pydantic_core import PydanticCustomError

from headrace.topology.base import Model

#: Names that mean this machine.
LOOPBACK = ("127.0.0.1", "localhost", "::1")

Claim = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^/*\s@?#]+$")]


def _key_set(text: str) -> str:
    if not re.match(r"[a-z][a-z0-9+.-]*://", text):
        return text
    parts = urlsplit(text)
    if parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in LOOPBACK):
        return text
    raise PydanticCustomError(
        "jwks", "Whoever changes these keys on the way makes any token: write https://, or a file"
    )


class Rate(Model):
    """So many a second in the long run, and at most ``burst`` at once."""

    per_s: Annotated[float, Field(gt=0, le=1_000_000)]
    burst: Annotated[int, Field(ge=1, le=10_000_000)]


class Auth(Model):
    """Tokens that are taken: JWTs of one issuer for one audience (docs/auth.md).

    ``jwks`` is the issuer's key set: an https URL, or a file, relative to the project's folder.
    """

    issuer: Claim
    audience: Claim
    jwks: Annotated[str, StringConstraints(min_length=1), AfterValidator(_key_set)]
    algorithms: Annotated[tuple[Literal["RS256", "ES256"], ...], Field(min_length=1)] = (
        "RS256",
        "ES256",
    )
    #: How far the issuer's clock may be off.
    leeway_s: Annotated[int, Field(ge=0, le=300)] = 30
    #: Keys that the issuer has withdrawn are used for so long at most.
    refresh_s: Annotated[int, Field(ge=10, le=86_400)] = 300
    #: The claim that names the caller's tenant; without it nobody has one.
    tenant_claim: Claim | None = None
    #: Tries without a valid token, by address.
    failures: Rate = Rate(per_s=5, burst=50)


class Cors(Model):
    """Pages of other origins that browsers let ask."""

    origins: Annotated[tuple[Origin, ...], Field(min_length=1)]
