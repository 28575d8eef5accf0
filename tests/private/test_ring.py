"""The key ring: one key a person, the same for all processes, gone for all after a stated time."""

from __future__ import annotations

import os

import pytest

from headrace.clock import ManualClock
from headrace.errors import ConfigError
from headrace.private import cipher
from headrace.private.master import LocalMaster
from headrace.private.ring import TOMBSTONE, KeyRing
from tests.private.project import MemoryStore

MASTER = os.urandom(32)
NONCE = os.urandom(cipher.NONCE_BYTES)


def ring(store: MemoryStore, clock: ManualClock | None = None, master: bytes = MASTER) -> KeyRing:
    clock = clock or ManualClock()
    return KeyRing(store, LocalMaster(master, "a test"), cache_s=60, monotonic=clock.monotonic)


def test_two_processes_agree_on_a_person_s_key_and_on_pseudonyms():
    store = MemoryStore()
    one, two = ring(store), ring(store)
    sealed = cipher.seal(one.make(["ann"])["ann"], b"secret", b"", NONCE)
    assert cipher.open_(two.held(["ann"])["ann"], sealed, b"") == b"secret"
    assert one.pseudonym(b"d-1") == two.pseudonym(b"d-1")


def test_a_process_that_loses_the_race_takes_the_winner_s_key():
    store = MemoryStore()
    late, early = ring(store), ring(store)
    late.check()
    read = store.get
    store.get = lambda names: [None] * len(names)  # type: ignore[method-assign]
    early.make(["ann"])
    mine = late.make(["ann"])["ann"]
    store.get = read  # type: ignore[method-assign]
    sealed = cipher.seal(mine, b"x", b"", NONCE)
    assert cipher.open_(ring(store).make(["ann"])["ann"], sealed, b"") == b"x"


def test_looking_for_a_key_makes_none():
    store = MemoryStore()
    keys = ring(store)
    assert keys.held(["ann", "bob"]) == {}
    assert list(store.entries) == ["secret"]
    assert set(keys.make(["ann", "bob"])) == {"ann", "bob"}


def test_a_destroyed_key_is_used_elsewhere_for_the_stated_time_only():
    store, clock = MemoryStore(), ManualClock()
    here, there = ring(store, clock), ring(store, clock)
    there.make(["ann"])
    assert here.destroy("ann")
    assert here.destroyed("ann")
    assert not here.destroy("ann")
    assert here.make(["ann"]) == {}
    clock.advance(59)
    assert "ann" in there.held(["ann"])
    clock.advance(2)
    assert there.held(["ann"]) == {}
    assert there.make(["ann"]) == {}


def test_a_person_without_a_key_can_be_forgotten_before_the_first_event():
    store = MemoryStore()
    assert not ring(store).destroy("ann")
    assert ring(store).make(["ann", "bob"]).keys() == {"bob"}


def test_entries_and_tombstones_name_nobody():
    store = MemoryStore()
    keys = ring(store)
    keys.make(["ann", "bob"])
    keys.destroy("ann")
    assert "ann" not in "".join(store.entries)
    assert sorted(store.entries.values()).count(TOMBSTONE) == 1


def test_keys_in_use_are_read_once():
    store = MemoryStore()
    keys = ring(store)
    keys.make(["ann"])
    before = store.reads
    for _ in range(10):
        keys.make(["ann"])
    assert store.reads == before


def test_another_master_key_is_refused_with_its_origin():
    store = MemoryStore()
    ring(store).make(["ann"])
    with pytest.raises(ConfigError, match="a test does not open 'secret' of the key ring"):
        ring(store, master=os.urandom(32)).make(["ann"])


def test_an_entry_moved_to_another_person_is_refused():
    store = MemoryStore()
    keys = ring(store)
    keys.make(["ann", "bob"])
    ann, bob = (name for name in store.entries if name != "secret")
    store.entries[ann] = store.entries[bob]
    with pytest.raises(ConfigError, match="does not open"):
        ring(store).held(["ann"])
