"""From tokens to callers."""

from __future__ import annotations

import time
from base64 import urlsafe_b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import ManualClock, SystemClock
from headrace.serve.auth.caller import Caller
from headrace.serve.auth.challenge import Refused
from headrace.serve.auth.keys import Keys
from headrace.serve.auth.source import File
from headrace.serve.auth.tokens import REMEMBERED_S, Tokens
from headrace.serve.problems import Problem
from headrace.topology.auth import Auth
from tests.serve.auth.issuer import AUDIENCE, ISSUER, by_hand, claims, key_set, token


class Unread:
    """A key set that nobody should ask for."""

    async def read(self) -> bytes:
        raise AssertionError


def checker(folder: Path, clock: SystemClock | ManualClock | None = None, **more: object) -> Tokens:
    file = folder / "jwks.json"
    file.write_bytes(key_set())
    auth = Auth.model_validate({"issuer": ISSUER, "audience": AUDIENCE, "jwks": str(file), **more})
    clock = clock or SystemClock()
    return Tokens(auth, Keys(File(file), auth.refresh_s, clock), clock)


async def test_scopes_and_tenant_are_the_tokens(tmp_path: Path) -> None:
    tokens = checker(tmp_path, tenant_claim="org", leeway_s=30)
    made = token(scope="metrics:read  catalog:read", scp=["views:read", 7], org="acme")
    expected = Caller("ann", frozenset({"metrics:read", "catalog:read", "views:read"}), "acme")
    assert await tokens.check(made) == expected
    assert tokens.known(made) == expected
    ends = int(time.time()) + 500
    assert (await tokens.check(token(exp=ends, org="acme"))).until_ms == (ends + 30) * 1000
    for wrong in ("", 7, ["acme"]):
        with pytest.raises(Refused, match="tenant is not a text"):
            await tokens.check(token(org=wrong, scope="tenants:all"))
    assert (await tokens.check(token(scope="tenants:all"))).tenant is None


async def test_clocks_may_differ_by_the_leeway(tmp_path: Path) -> None:
    tokens, now = checker(tmp_path, leeway_s=30), int(time.time())
    await tokens.check(token(exp=now - 20, nbf=now + 20))
    with pytest.raises(Refused, match="expired"):
        await tokens.check(token(exp=now - 40))
    with pytest.raises(Refused, match="not valid yet"):
        await tokens.check(token(iat=now + 40))


async def test_a_remembered_token_ends_with_its_expiry_or_a_minute(tmp_path: Path) -> None:
    now = int(time.time())
    clock = ManualClock(now * 1000)
    tokens = checker(tmp_path, clock, leeway_s=0)
    short, long = token(exp=now + 10), token(exp=now + 3600)
    for made in (short, long):
        assert tokens.known(made) is None
        await tokens.check(made)
        assert tokens.known(made) is not None
    clock.advance(10)
    assert tokens.known(short) is None
    assert tokens.known(long) is not None
    clock.advance(REMEMBERED_S)
    assert tokens.known(long) is None


async def test_a_token_is_not_remembered_longer_than_its_key(tmp_path: Path) -> None:
    clock = ManualClock(int(time.time() * 1000))
    tokens = checker(tmp_path, clock, refresh_s=10)
    made = token()
    await tokens.check(made)
    (tmp_path / "jwks.json").write_bytes(b'{"keys": []}')
    clock.advance(11)
    with pytest.raises(Refused, match="not one of the issuer's"):
        await tokens.check(token(kid="other"))
    assert tokens.known(made) is None


async def test_only_the_algorithms_that_are_declared(tmp_path: Path) -> None:
    tokens = checker(tmp_path, algorithms=["RS256"])
    await tokens.check(token("RS256"))
    with pytest.raises(Refused, match="algorithm"):
        await tokens.check(token("ES256"))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "ES256", "kid": 7},
        {"alg": "ES256", "kid": "ES256", "crit": ["exp"]},
        {"alg": ["ES256"]},
        {"alg": "ES256", "kid": "ES256", "b64": False},
        {},
    ],
)
async def test_headers_that_no_issuer_writes(tmp_path: Path, header: dict[str, object]) -> None:
    with pytest.raises(Refused):
        await checker(tmp_path).check(by_hand(header, claims(), b"x" * 64))


@pytest.mark.parametrize(
    "made", ["", "." * 5, "[" * 8000, "eyJhbGciOiJFUzI1NiJ9", "\udcff", "é.é.é"]
)
async def test_texts_that_are_no_tokens(tmp_path: Path, made: str) -> None:
    with pytest.raises(Refused):
        await checker(tmp_path).check(made)


async def test_deep_and_long_headers_are_refused(tmp_path: Path) -> None:
    deep = by_hand({"alg": "ES256"}, {}).split(".")
    nested = urlsafe_b64encode(b"[" * 6000).rstrip(b"=").decode()
    with pytest.raises(Refused, match="not a JWT"):
        await checker(tmp_path).check(".".join([nested, *deep[1:]]))
    with pytest.raises(Refused, match="longer than"):
        await checker(tmp_path).check("a" * 8193)


@given(st.text(max_size=200) | st.lists(st.text("eyJhbGciO0-_", max_size=30)).map(".".join))
async def test_whatever_is_sent_is_refused(made: str) -> None:
    auth = Auth(issuer=ISSUER, audience=AUDIENCE, jwks="none")
    tokens = Tokens(auth, Keys(Unread(), 300, SystemClock()), SystemClock())
    assert tokens.known(made) is None
    with pytest.raises(Refused):
        await tokens.check(made)


def test_rows_are_the_tenants_or_refused() -> None:
    mine = Caller("ann", frozenset(), "acme")
    assert mine.rows_of("tenant", "metric 'requests'") == (("tenant", "acme"),)
    assert Caller("root", frozenset()).rows_of(None, "metric 'revenue'") == ()
    with pytest.raises(Problem, match="metric 'revenue' can't be split by tenant") as caught:
        mine.rows_of(None, "metric 'revenue'")
    assert caught.value.status == 403
