"""Laws of private values: they come back for their person and field, and for nobody else."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headrace.private import cipher
from headrace.private.cipher import Unreadable
from headrace.private.fields import PrivateFields
from headrace.private.master import LocalMaster
from headrace.private.protect import UNREADABLE, Protector
from headrace.private.ring import KeyRing
from headrace.schema import text
from headrace.schema.registry import parse
from headrace.topology.model import Topology
from tests.private import project
from tests.private.project import MemoryStore, event

RING = KeyRing(MemoryStore(), LocalMaster(os.urandom(32), "this test"), cache_s=60)
SCHEMA = parse("customers", json.dumps(project.SCHEMA), 1, 1)
FIELDS = PrivateFields.of(Topology.model_validate(project.TOPOLOGY), project.TOPIC, SCHEMA)
PROTECTOR = Protector(FIELDS, RING)

words = st.text(st.characters(exclude_categories=["Cs"]))
people = words.filter(bool)


def protect(person: str, **fields: Any) -> Mapping[str, Any]:
    return PROTECTOR.protect(event(person, **fields))


@given(people, words, st.none() | words, st.none() | st.binary())
def test_what_is_protected_comes_back_and_is_not_in_the_record(person, email, phone, photo):
    sent = protect(person, email=email, phone=phone, photo=photo)
    assert sent["email"].startswith(cipher.SEALED)
    assert len(email) < 8 or email not in sent["email"]
    # The encoder takes bytes, the decoder shows them as base64.
    held = {**sent, "photo": None if photo is None else text.bytes_text(sent["photo"])}
    (clear,) = PROTECTOR.reveal([held])
    assert (clear["email"], clear["phone"]) == (email, phone)
    assert clear["photo"] == (None if photo is None else text.bytes_text(photo))
    assert clear["order_id"] == sent["order_id"]


@given(people, people, words)
def test_a_value_moved_to_another_person_or_field_is_refused(person, other, email):
    assume(person != other)
    sent = protect(person, email=email)
    protect(other)  # so that the other one has a key
    moved = [
        {**sent, "user_id": other},
        {**sent, "phone": sent["email"]},
        {**sent, "photo": text.bytes_text(sent["email"].encode())},
    ]
    shown = PROTECTOR.reveal(moved)
    assert shown[0]["email"] == UNREADABLE
    assert shown[1]["phone"] == UNREADABLE
    assert shown[2]["photo"] == UNREADABLE


@given(words, st.data())
def test_a_damaged_value_is_refused_and_not_quoted(email, data):
    key = RING.make(["ann"])["ann"]
    sealed = cipher.seal(key, email.encode(), b"bound", os.urandom(cipher.NONCE_BYTES))
    at = data.draw(st.integers(len(cipher.SEALED), len(sealed) - 2))
    other = "B" if sealed[at] != "B" else "C"
    for damaged in (sealed[:at] + other + sealed[at + 1 :], sealed[:at], "hrx1:", "hrx1:ü"):
        with pytest.raises(Unreadable) as caught:
            cipher.open_(key, damaged, b"bound")
        assert len(email) < 8 or email not in str(caught.value)


def test_no_nonce_is_used_twice():
    """GCM gives away the key when one is: neither in a batch, nor in the next one."""
    records = [event("ann", email="a", phone="b")] * 500
    sent = PROTECTOR.protect_all(records) + PROTECTOR.protect_all(records)
    values = [record[name] for record in sent for name in ("email", "phone")]
    nonces = {cipher.urlsafe_b64decode(value[5:21]) for value in values}
    assert len(nonces) == len(values) == 2_000


@given(words, words)
def test_pseudonyms_are_equal_for_equal_values_only(one, two):
    first, again = (protect(p, device=one)["device"] for p in ("ann", "bob"))
    assert first == again
    assert first.startswith(cipher.PSEUDONYM)
    assert (protect("ann", device=two)["device"] == first) == (one == two)


@given(words)
def test_the_same_value_is_never_sealed_alike(email):
    assert protect("ann", email=email)["email"] != protect("ann", email=email)["email"]


def test_text_that_looks_sealed_is_clear_text_to_a_producer():
    once = protect("ann")["email"]
    twice = protect("ann", email=once)
    assert PROTECTOR.reveal([twice])[0]["email"] == once
