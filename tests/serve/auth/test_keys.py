"""The issuer's key set: read when it is needed, and not when an attacker wants it."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.clock import ManualClock
from headrace.errors import Transient
from headrace.serve.auth.jwks import NotAKeySet, parse
from headrace.serve.auth.keys import MAX_AGE_S, MIN_INTERVAL_S, Keys
from headrace.serve.auth.source import File, Url
from tests.serve.auth.issuer import STRANGER, jwk, key_set, published
from tests.stack.nobody import nobody_listens


async def settled(keys: Keys) -> None:
    """Until what was begun behind the answer has ended."""
    for task in asyncio.all_tasks() - {asyncio.current_task()}:
        await task


async def test_made_up_names_ask_the_issuer_once_an_interval() -> None:
    clock = ManualClock()
    with published() as issuer:
        keys = Keys(Url(issuer.url), 300, clock)
        found = await asyncio.gather(*(keys.find(f"made-up-{n}") for n in range(200)))
        assert set(found) == {None}
        assert issuer.asked == 1
        clock.advance(MIN_INTERVAL_S)
        await asyncio.gather(*(keys.find(f"made-up-{n}") for n in range(200)))
        assert issuer.asked == 2
        assert await keys.find("ES256") is not None
        assert issuer.asked == 2


async def test_a_new_key_is_found_and_a_withdrawn_one_is_dropped() -> None:
    clock = ManualClock()
    with published() as issuer:
        keys = Keys(Url(issuer.url), 300, clock)
        assert await keys.find("new") is None
        issuer.document = key_set(jwk("ES256", "new", STRANGER))
        clock.advance(MIN_INTERVAL_S)
        assert await keys.find("new") is not None
        issuer.document = key_set()
        clock.advance(301)
        assert await keys.find("new") is not None, "the old keys serve while they are read again"
        await settled(keys)
        assert await keys.find("new") is None
        assert keys.generation == 3


async def test_while_the_issuer_is_away_its_keys_are_used_for_a_day() -> None:
    clock = ManualClock()
    with published() as issuer:
        keys = Keys(Url(issuer.url), 300, clock)
        assert await keys.find("RS256") is not None
        issuer.status = 500
        clock.advance(MAX_AGE_S - 1)
        assert await keys.find("RS256") is not None
        await settled(keys)
        clock.advance(2 + MIN_INTERVAL_S)
        with pytest.raises(Transient, match="can't be read"):
            await keys.find("RS256")
        issuer.status = 200
        clock.advance(MIN_INTERVAL_S)
        assert await keys.find("RS256") is not None


async def test_an_issuer_that_nobody_answers_for(tmp_path: Path) -> None:
    for source in (Url(f"http://127.0.0.1:{nobody_listens()}/"), File(tmp_path / "none")):
        with pytest.raises(Transient):
            await Keys(source, 300, ManualClock()).find("RS256")


async def test_a_token_without_a_name_of_its_key_takes_the_only_one(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_bytes(json.dumps({"keys": [jwk("ES256", "one")]}).encode())
    assert await Keys(File(file), 300, ManualClock()).find(None) is not None
    file.write_bytes(key_set())
    assert await Keys(File(file), 300, ManualClock()).find(None) is None


async def test_no_redirect_is_followed_and_no_endless_document_read() -> None:
    with published() as issuer:
        issuer.status = 302
        with pytest.raises(Transient, match="status 302"):
            await Url(issuer.url).read()
        issuer.status, issuer.document = 200, b" " * (3 << 20)
        with pytest.raises(NotAKeySet, match="more than"):
            parse(await Url(issuer.url).read())


def test_only_keys_that_may_sign_are_taken() -> None:
    weak = rsa.generate_private_key(public_exponent=65537, key_size=1024)
    refused = [
        {"kty": "oct", "k": "c2VjcmV0", "kid": "shared"},
        {**jwk("RS256", "encryption"), "use": "enc"},
        {**jwk("RS256", "other algorithm"), "alg": "PS512"},
        {**jwk("ES256", "other curve"), "crv": "P-384"},
        {**jwk("ES256", "off the curve"), "x": "AAAA"},
        jwk("RS256", "weak", weak),
        {"kty": "RSA", "kid": "empty"},
        "no object",
    ]
    assert parse(json.dumps({"keys": refused}).encode()) == {}
    found = parse(json.dumps({"keys": [{**jwk("ES256", "e"), "d": "AAAA"}]}).encode())
    assert not hasattr(found["e"].key, "private_numbers"), "a private member is not read"


@settings(max_examples=50)
@given(st.binary() | st.builds(lambda v: json.dumps({"keys": v}).encode(), st.recursive(
    st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(
        st.sampled_from(["kty", "crv", "x", "y", "n", "e", "kid", "use", "alg"]),
        inner | st.sampled_from(["RSA", "EC", "P-256", "AQAB"]),
    )
)))  # fmt: skip
def test_any_document_is_a_key_set_or_is_refused(document: bytes) -> None:
    try:
        parse(document)
    except NotAKeySet:
        return
