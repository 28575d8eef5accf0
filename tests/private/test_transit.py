"""The transit master key: what it asks for, against a stand-in for Vault's documented API.

What it gets is tested against that, and against a real server where there is one (``real_vault``).
"""

from __future__ import annotations

import os
from base64 import b64decode
from collections.abc import Iterator

import pytest

from headrace.errors import ConfigError, Transient
from headrace.private.opening import key_ring
from headrace.private.transit import TransitMaster
from headrace.topology.model import Topology
from tests.private.project import TOPOLOGY, MemoryStore
from tests.private.real_vault import PROGRAM, RealVault, real_vault
from tests.private.vault_server import FakeVault, vault

Place = FakeVault | RealVault
KEYS = [("ann", os.urandom(32)), ("bob", os.urandom(32))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    with vault() as made:
        monkeypatch.setenv("VAULT_ADDR", made.url)
        monkeypatch.setenv("VAULT_TOKEN", made.token)
        yield made


REAL = pytest.mark.skipif(not PROGRAM, reason="HEADRACE_TEST_VAULT names no real server")


@pytest.fixture(params=["stand-in", pytest.param("real", marks=REAL)])
def place(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with vault() if request.param == "stand-in" else real_vault() as made:
        monkeypatch.setenv("VAULT_ADDR", made.url)
        monkeypatch.setenv("VAULT_TOKEN", made.token)
        yield made


def test_any_number_of_keys_is_one_request_and_comes_back(server: FakeVault):
    master = TransitMaster("headrace", "transit")
    wrapped = master.wrap(KEYS)
    names = [name for name, _ in KEYS]
    assert master.unwrap(list(zip(names, wrapped, strict=True))) == [key for _, key in KEYS]
    assert [path for path, _ in server.requests] == [
        "/v1/transit/encrypt/headrace",
        "/v1/transit/decrypt/headrace",
    ]
    sent = server.requests[0][1]["batch_input"]
    assert [b64decode(item["plaintext"]) for item in sent] == [key for _, key in KEYS]
    assert [b64decode(item["associated_data"]) for item in sent] == [b"ann", b"bob"]


@pytest.mark.usefixtures("place")
def test_a_wrapped_key_opens_under_its_own_name_only():
    master = TransitMaster("headrace", "transit")
    (wrapped,) = master.wrap(KEYS[:1])
    assert master.unwrap([("ann", wrapped)]) == [KEYS[0][1]]
    with pytest.raises(ConfigError, match="can't decrypt with key 'headrace'"):
        master.unwrap([("bob", wrapped)])


def test_refusals_name_server_key_and_fix(place: Place, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=f"{place.url}.*'other'.*permission denied"):
        TransitMaster("other", "transit").wrap(KEYS)
    monkeypatch.setenv("VAULT_TOKEN", "hvs.another")
    with pytest.raises(ConfigError, match="check VAULT_TOKEN"):
        TransitMaster("headrace", "transit").wrap(KEYS)


def test_what_may_pass_is_transient(place: Place, monkeypatch: pytest.MonkeyPatch):
    place.seal()
    with pytest.raises(Transient, match="sealed"):
        TransitMaster("headrace", "transit").wrap(KEYS)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(Transient):
        TransitMaster("headrace", "transit").wrap(KEYS)


@pytest.mark.usefixtures("place")
def test_a_topology_that_declares_transit_has_its_ring_there(tmp_path):
    declared = Topology.model_validate({**TOPOLOGY, "private": {"transit": {"key": "headrace"}}})
    store = MemoryStore()
    key_ring(tmp_path, declared, store).make(["ann", "bob"])
    assert all(entry.startswith("vault:v1:") for entry in store.entries.values())
    assert key_ring(tmp_path, declared, store).held(["ann", "bob"]).keys() == {"ann", "bob"}
