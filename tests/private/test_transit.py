"""The transit master key against Vault's documented API; see ``vault_server`` for its limits."""

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
from tests.private.vault_server import TOKEN, FakeVault, vault

KEYS = [("ann", os.urandom(32)), ("bob", os.urandom(32))]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeVault]:
    with vault() as made:
        monkeypatch.setenv("VAULT_ADDR", made.url)
        monkeypatch.setenv("VAULT_TOKEN", TOKEN)
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


@pytest.mark.usefixtures("server")
def test_a_wrapped_key_opens_under_its_own_name_only():
    master = TransitMaster("headrace", "transit")
    (wrapped,) = master.wrap(KEYS[:1])
    with pytest.raises(ConfigError, match="can't decrypt with key 'headrace'"):
        master.unwrap([("bob", wrapped)])


def test_refusals_name_server_key_and_fix(server: FakeVault, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ConfigError, match=f"{server.url}.*'other'.*permission denied"):
        TransitMaster("other", "transit").wrap(KEYS)
    monkeypatch.setenv("VAULT_TOKEN", "hvs.another")
    with pytest.raises(ConfigError, match="check VAULT_TOKEN"):
        TransitMaster("headrace", "transit").wrap(KEYS)


def test_what_may_pass_is_transient(server: FakeVault, monkeypatch: pytest.MonkeyPatch):
    server.sealed = True
    with pytest.raises(Transient, match="sealed"):
        TransitMaster("headrace", "transit").wrap(KEYS)
    monkeypatch.setenv("VAULT_ADDR", "http://127.0.0.1:1")
    with pytest.raises(Transient):
        TransitMaster("headrace", "transit").wrap(KEYS)


def test_a_topology_that_declares_transit_has_its_ring_there(server: FakeVault, tmp_path):
    declared = Topology.model_validate({**TOPOLOGY, "private": {"transit": {"key": "headrace"}}})
    store = MemoryStore()
    key_ring(tmp_path, declared, store).make(["ann", "bob"])
    assert all(entry.startswith("vault:v1:") for entry in store.entries.values())
    assert key_ring(tmp_path, declared, store).held(["ann", "bob"]).keys() == {"ann", "bob"}
    assert len(server.requests) == 5  # the secret: made, opened; two keys: made; both: opened
