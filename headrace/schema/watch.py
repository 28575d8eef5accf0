"""The locked schemas as they are now: others may lock versions while a process runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from headrace.errors import ConfigError, Transient
from headrace.schema.lock import Lock, load, locked
from headrace.schema.registry import LOCK, AvroSchema


@dataclass(frozen=True)
class Locked:
    """The lock at a moment, and the versions of each schema name that it holds, oldest first."""

    lock: Lock
    versions: dict[str, list[AvroSchema]]

    @cached_property
    def by_id(self) -> dict[int, AvroSchema]:
        """All versions by id."""
        return {one.id: one for versions in self.versions.values() for one in versions}


class Watch:
    """Reads ``folder/registry.json`` again only when it was replaced. Safe to use from threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._reading = threading.Lock()
        self._read: tuple[tuple[int, int], Locked] | None = None

    def now(self) -> Locked:
        """What is locked; raises ConfigError if files and lock differ."""
        with self._reading:
            stamp = self._stamp()
            if self._read is None or self._read[0] != stamp:
                found = Locked(load(self._folder), locked(self._folder))
                self._read = stamp, found
            return self._read[1]

    def find(self, schema_id: int) -> AvroSchema | None:
        """The schema of an id, if it is locked; raises Transient if files and lock differ."""
        try:
            return self.now().by_id.get(schema_id)
        except ConfigError as error:
            raise Transient(f"schema id {schema_id} can't be looked up: {error}") from error

    def _stamp(self) -> tuple[int, int]:
        """What differs after each change: the lock is replaced, never written in place."""
        try:
            stat = (self._folder / LOCK).stat()
        except FileNotFoundError:
            return 0, 0
        return stat.st_ino, stat.st_mtime_ns
