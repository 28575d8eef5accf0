"""The key ring: one data key a person, wrapped by the master key, destroyed to forget the person.

Names in the store are HMACs of persons' ids under the ring's own secret, so that neither entries
nor what is left of a destroyed one say who somebody is.
"""

from __future__ import annotations

import hmac
import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cached_property
from typing import Final, Protocol

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from headrace.private import cipher
from headrace.private.cipher import KEY_BYTES
from headrace.private.master import MasterKey

#: What stands in the place of a destroyed key, for ever: no other is made under that name.
TOMBSTONE: Final = "forgotten"
SECRET: Final = "secret"
CACHED: Final = 50_000  # keys in a process, 2.7 KB each


class KeyStore(Protocol):
    """Holds the ring's entries, durably, as text by name. Raises Transient or Terminal."""

    def get(self, names: Sequence[str]) -> list[str | None]:
        """The entries of these names."""

    def add(self, entries: Mapping[str, str]) -> list[str]:
        """Store each entry unless there is one; returns what is held then, in order."""

    def replace(self, name: str, entry: str) -> None:
        """Store an entry in place of whatever is there, so that the old one is not kept."""

    def faults(self) -> list[str]:
        """What about the store's settings could lose entries; empty when nothing is known."""

    def close(self) -> None:
        """Disconnect."""


class KeyRing:
    """Keys by person. Safe to use from many threads.

    A key that was read is used for ``cache_s`` seconds, at most ``CACHED`` of them at a time.
    """

    def __init__(
        self,
        store: KeyStore,
        master: MasterKey,
        *,
        cache_s: float,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._master = master
        self._cache_s = cache_s
        self._monotonic = monotonic
        self._cache: OrderedDict[str, tuple[AESGCM, float]] = OrderedDict()
        self._lock = threading.Lock()

    def make(self, persons: Collection[str]) -> dict[str, AESGCM]:
        """Keys to encrypt with, made where there is none; those who are forgotten are left out."""
        with self._lock:
            found, names = self._held(persons)
            missing = [person for person, key in found.items() if key is None]
            if missing:
                fresh = [(names[p], AESGCM.generate_key(8 * KEY_BYTES)) for p in missing]
                wrapped = self._master.wrap(fresh)
                offered = {name: entry for (name, _), entry in zip(fresh, wrapped, strict=True)}
                entries = dict(zip(missing, self._store.add(offered), strict=True))
                mine = {
                    person: key
                    for person, (name, key) in zip(missing, fresh, strict=True)
                    if entries[person] == offered[name]
                }
                others = {p: entry for p, entry in entries.items() if p not in mine}
                found |= self._keep(mine) | self._open(others, names)
            return {person: key for person, key in found.items() if key is not None}

    def held(self, persons: Collection[str]) -> dict[str, AESGCM]:
        """Keys to decrypt with, of those who have one."""
        with self._lock:
            return {p: key for p, key in self._held(persons)[0].items() if key is not None}

    def destroy(self, person: str) -> bool:
        """Replace the person's key by a tombstone; whether there was a key."""
        name = self._name(person)
        with self._lock:
            before = self._store.get([name])[0]
            self._store.replace(name, TOMBSTONE)
            self._cache.pop(person, None)
        return before is not None and before != TOMBSTONE

    def destroyed(self, person: str) -> bool:
        """Whether the store has the person's tombstone."""
        return self._store.get([self._name(person)])[0] == TOMBSTONE

    def pseudonym(self, value: bytes) -> str:
        """The pipeline's pseudonym of a value."""
        return cipher.pseudonym(self._subkeys["pseudonym"], value)

    def check(self) -> list[str]:
        """Open the ring's secret, making it if there is none; returns the store's faults."""
        self._name("")  # takes the secret
        return self._store.faults()

    def close(self) -> None:
        """Forget all keys and disconnect."""
        self._cache.clear()
        self._store.close()

    def _cached(self, person: str, now: float) -> AESGCM | None:
        cached = self._cache.get(person)
        if cached is None or cached[1] <= now:
            return None
        self._cache.move_to_end(person)
        return cached[0]

    def _held(self, persons: Collection[str]) -> tuple[dict[str, AESGCM | None], dict[str, str]]:
        """Keys that there are, and the names of the entries that had to be asked for."""
        now = self._monotonic()
        found = {person: self._cached(person, now) for person in persons}
        names = {person: self._name(person) for person, key in found.items() if key is None}
        if names:
            entries = self._store.get(list(names.values()))
            found |= self._open(dict(zip(names, entries, strict=True)), names)
        return found, names

    def _open(
        self, entries: Mapping[str, str | None], names: Mapping[str, str]
    ) -> dict[str, AESGCM]:
        """Unwrap the entries, by person, that are keys."""
        keys = {p: entry for p, entry in entries.items() if entry and entry != TOMBSTONE}
        if not keys:
            return {}
        opened = self._master.unwrap([(names[p], entry) for p, entry in keys.items()])
        return self._keep(dict(zip(keys, opened, strict=True)))

    def _keep(self, keys: Mapping[str, bytes]) -> dict[str, AESGCM]:
        """Put keys into the cache."""
        until = self._monotonic() + self._cache_s
        made = {person: AESGCM(key) for person, key in keys.items()}
        for person, key in made.items():
            self._cache[person] = key, until
            self._cache.move_to_end(person)
        while len(self._cache) > CACHED:
            self._cache.popitem(last=False)
        return made

    def _name(self, person: str) -> str:
        return hmac.digest(self._subkeys["name"], person.encode(), "sha256").hex()

    @cached_property
    def _subkeys(self) -> dict[str, bytes]:
        """Keys of the two uses of the ring's secret, which is made with the ring."""
        entry = self._store.get([SECRET])[0]
        if entry is None:
            (made,) = self._master.wrap([(SECRET, os.urandom(KEY_BYTES))])
            (entry,) = self._store.add({SECRET: made})
        (secret,) = self._master.unwrap([(SECRET, entry)])
        return {use: hmac.digest(secret, use.encode(), "sha256") for use in ("name", "pseudonym")}
