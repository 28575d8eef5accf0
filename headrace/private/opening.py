"""The key ring of a project: its store and the master key that the topology names."""

from __future__ import annotations

from pathlib import Path

from headrace.private.master import MasterKey, local_master
from headrace.private.ring import KeyRing, KeyStore
from headrace.private.transit import TransitMaster
from headrace.topology.model import Topology


def master_key(root: Path, topology: Topology) -> MasterKey:
    """Vault's or OpenBao's if ``private.transit`` is declared, else the local one."""
    transit = topology.private.transit
    return local_master(root) if transit is None else TransitMaster(transit.key, transit.mount)


def key_ring(root: Path, topology: Topology, store: KeyStore) -> KeyRing:
    """The ring; nothing is asked of its store or master key yet. Raises ConfigError."""
    return KeyRing(store, master_key(root, topology), cache_s=topology.private.cache_s)
