"""Forgetting a person: their key first, then what the stores hold of them, then the proof."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from headrace.private.ring import KeyRing


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


def destroy_key(person: str, ring: KeyRing) -> bool:
    """The first step, which alone makes everything encrypted unreadable, the log included.

    Returns whether there was a key.
    """
    return ring.destroy(person)


def erase(person: str, erasers: Sequence[Eraser]) -> tuple[Mapping[str, set[str]], int]:
    """Delete what the stores hold; returns the person's ids, for the search afterwards, and how
    many items were deleted.

    Erasers go in the order given: one whose rows tell ids to another must come last, so that
    an erasure that was cut short finds them again.
    """
    ids: dict[str, set[str]] = {}
    for eraser in erasers:
        for field, values in eraser.ids(person).items():
            ids.setdefault(field, set()).update(values)
    return ids, sum(eraser.erase(person, ids) for eraser in erasers)


def search(
    person: str, ids: Mapping[str, set[str]], ring: KeyRing, erasers: Iterable[Eraser]
) -> list[Found]:
    """Look for the person in the key ring and in every store."""
    left = 0 if ring.destroyed(person) else 1
    found = [Found("key ring", 1, left, "key, not replaced by a tombstone")]
    for eraser in erasers:
        found += eraser.find(person, ids)
    return found
