"""Forgetting a person: their key first, then what the stores hold of them, then the proof."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from headrace.private.ring import KeyRing

log = logging.getLogger(__name__)

#: ``record(act, subject, details)``: writes an administrative act down; see ``logged``.
Record = Callable[[str, str, Mapping[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was searched: where, how many items there, how many of them are left."""

    where: str
    searched: int
    left: int
    what: str


class Eraser(Protocol):
    """A store that holds data of persons. Raises Transient or Terminal; safe to repeat.

    ``ids`` are, by field, the values of that field in the person's rows: what names the keys of
    entities that are theirs, such as orders. The person's own id is among them.
    """

    def ids(self, person: str) -> dict[str, set[str]]:
        """What this store knows of the person's ids, by field."""

    def erase(self, person: str, ids: Mapping[str, set[str]]) -> int:
        """Delete what is the person's; returns how many items that were."""

    def find(self, person: str, ids: Mapping[str, set[str]]) -> Sequence[Found]:
        """Search for what is the person's."""

    def close(self) -> None:
        """Disconnect."""


def logged(act: str, subject: str, details: Mapping[str, Any]) -> None:
    """The default ``Record``: the act without its subject, who is to be forgotten here, too."""
    del subject
    log.warning("%s: %s", act, ", ".join(f"{k} {v}" for k, v in details.items()))


def destroy_key(person: str, ring: KeyRing, record: Record = logged) -> bool:
    """The first step, which alone makes everything encrypted unreadable, the log included."""
    destroyed = ring.destroy(person)
    record("forget.key", person, {"destroyed": destroyed})
    return destroyed


def erase(
    person: str, erasers: Sequence[Eraser], record: Record = logged
) -> Mapping[str, set[str]]:
    """Delete what the stores hold; returns the person's ids, for the search afterwards.

    Erasers go in the order given: one whose rows tell ids to another must come last, so that
    an erasure that was cut short finds them again.
    """
    ids: dict[str, set[str]] = {}
    for eraser in erasers:
        for field, values in eraser.ids(person).items():
            ids.setdefault(field, set()).update(values)
    deleted = sum(eraser.erase(person, ids) for eraser in erasers)
    record("forget.rows", person, {"deleted": deleted})
    return ids


def search(
    person: str, ids: Mapping[str, set[str]], ring: KeyRing, erasers: Iterable[Eraser]
) -> list[Found]:
    """Look for the person in the key ring and in every store."""
    left = 0 if ring.destroyed(person) else 1
    found = [Found("key ring", 1, left, "key, not replaced by a tombstone")]
    for eraser in erasers:
        found += eraser.find(person, ids)
    return found
