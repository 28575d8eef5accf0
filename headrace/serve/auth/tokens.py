"""From a bearer token to the caller it stands for, or the reason why it is not taken."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final

import jwt

from headrace.clock import Clock
from headrace.serve.auth.caller import Caller
from headrace.serve.auth.challenge import Refused
from headrace.serve.auth.keys import Keys
from headrace.serve.auth.scopes import ALL_TENANTS
from headrace.topology.auth import Auth

MAX_TOKEN_CHARS: Final = 8_192
#: Tokens that were good are remembered: a signature costs more than most answers.
REMEMBERED: Final = 10_000
REMEMBERED_S: Final = 60.0
_REQUIRED: Final = ["exp", "iss", "aud", "sub"]

#: What PyJWT finds, the more special first, as stable words and texts that quote nothing.
_REASONS: Final = (
    (jwt.ExpiredSignatureError, "expired", "the token has expired"),
    (jwt.ImmatureSignatureError, "not-yet-valid", "the token is not valid yet"),
    (jwt.InvalidAudienceError, "audience", "the token is for another audience"),
    (jwt.InvalidIssuerError, "issuer", "the token is of another issuer"),
    (jwt.InvalidAlgorithmError, "algorithm", "the token's algorithm is not taken"),
    (jwt.InvalidSignatureError, "signature", "the token's signature is wrong"),
    (jwt.MissingRequiredClaimError, "claims", "the token lacks one of exp, iss, aud and sub"),
)


class Tokens:
    """Checks tokens against a key set and what the topology declares."""

    def __init__(self, auth: Auth, keys: Keys, clock: Clock) -> None:
        self._auth = auth
        self._keys = keys
        self._clock = clock
        self._options: Any = {"require": _REQUIRED}
        self._good: OrderedDict[bytes, tuple[Caller, float]] = OrderedDict()
        self._generation = 0

    def known(self, token: str) -> Caller | None:
        """The caller of a token that was good less than a minute ago and has not expired since.

        It is forgotten when the keys change: then its own may be gone.
        """
        self._keys.refresh()
        self._forget_with_keys()
        digest = sha256(token.encode(errors="replace")).digest()
        entry = self._good.get(digest)
        if entry is None:
            return None
        if entry[1] <= self._clock.now_ms():
            del self._good[digest]
            return None
        self._good.move_to_end(digest)
        return entry[0]

    async def check(self, token: str) -> Caller:
        """The token's caller; raises Refused, or Transient when there are no keys."""
        header = _header(token)
        if header.get("alg") not in self._auth.algorithms:
            raise Refused("algorithm", "the token's algorithm is not taken")
        key = await self._keys.find(header.get("kid"))
        if key is None:
            raise Refused("key", "the token's key is not one of the issuer's")
        try:
            claims = jwt.decode(
                token,
                key,
                algorithms=self._auth.algorithms,
                audience=self._auth.audience,
                issuer=self._auth.issuer,
                leeway=self._auth.leeway_s,
                options=self._options,
            )
        except (jwt.PyJWTError, ValueError, TypeError, OverflowError, RecursionError) as error:
            raise _refused(error) from None
        caller = self._caller(claims)
        self._remember(token, caller, claims)
        return caller

    def _caller(self, claims: Mapping[str, Any]) -> Caller:
        scopes = _scopes(claims)
        tenant = None
        if self._auth.tenant_claim is not None:
            tenant = claims.get(self._auth.tenant_claim)
            if tenant is None and ALL_TENANTS not in scopes:
                raise Refused("tenant", f"the token names no tenant, and lacks {ALL_TENANTS}")
            if tenant is not None and not (isinstance(tenant, str) and tenant):
                raise Refused("tenant", "the token's tenant is not a text")
        if not claims["sub"]:
            raise Refused("claims", "the token's sub is empty")
        return Caller(claims["sub"], scopes, tenant, self._expires(claims))

    def _expires(self, claims: Mapping[str, Any]) -> int:
        return (int(claims["exp"]) + self._auth.leeway_s) * 1000

    def _forget_with_keys(self) -> None:
        if self._generation != self._keys.generation:
            self._generation = self._keys.generation
            self._good.clear()

    def _remember(self, token: str, caller: Caller, claims: Mapping[str, Any]) -> None:
        self._forget_with_keys()
        until = min(self._expires(claims), self._clock.now_ms() + REMEMBERED_S * 1000)
        self._good[sha256(token.encode()).digest()] = caller, until
        while len(self._good) > REMEMBERED:
            self._good.popitem(last=False)


def _header(token: str) -> Mapping[str, Any]:
    if len(token) > MAX_TOKEN_CHARS:
        raise Refused("malformed", f"the token is longer than {MAX_TOKEN_CHARS} characters")
    try:
        return jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError):
        raise Refused("malformed", "the token is not a JWT") from None


def _refused(error: Exception) -> Refused:
    for kind, reason, detail in _REASONS:
        if isinstance(error, kind):
            return Refused(reason, detail)
    return Refused("malformed", "the token is not a JWT with the claims it should have")


def _scopes(claims: Mapping[str, Any]) -> frozenset[str]:
    """``scope`` as RFC 8693 has it, words in a text; ``scp`` is a list with some issuers."""
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(item for item in value if isinstance(item, str))
    return frozenset(found)
