"""Sessions as intervals that merge: in any order, in any grouping, to the same ones.

As with the merging windows of Akidau et al., "The Dataflow Model" (VLDB 2015), an event is a
session of its own at first, and sessions no more than the gap apart become one. The union of
intervals and each of the merges below are commutative and associative, so it does not matter in
which order events come nor what was merged before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

#: Value of one field: an integer, or None for none yet; ``first`` and ``last`` have the place, too.
Value = Any
Merge = Callable[[Value, Value], Value]


class Session(NamedTuple):
    """An interval of event time (ms), both ends events of it.

    ``version`` is the greatest offset among its events: it grows with every change. ``values`` are
    those of the declared fields, in their order.
    """

    start: int
    end: int
    events: int
    version: int
    values: tuple[Value, ...]


class Change(NamedTuple):
    """What became of a session: as it is now, or, ``retracted``, as it was before it was merged."""

    session: Session
    version: int
    retracted: bool


def add(a: int, b: int) -> int:
    return a + b


def least(a: Value, b: Value) -> Value:
    """The smaller one; also the first of two ``(time, offset, value)``."""
    if a is None or b is None:
        return b if a is None else a
    return min(a, b)


def greatest(a: Value, b: Value) -> Value:
    if a is None or b is None:
        return b if a is None else a
    return max(a, b)


#: By the form of an aggregate. No two events of a partition share a place, so neither ``first`` nor
#: ``last`` ever compares values.
MERGES: dict[str, Merge] = {
    "count": add,
    "sum": add,
    "min": least,
    "max": greatest,
    "first": least,
    "last": greatest,
}


def join(a: Session, b: Session, merges: Sequence[Merge]) -> Session:
    """One session of two."""
    values = (merge(x, y) for merge, x, y in zip(merges, a.values, b.values, strict=True))
    return Session(
        min(a.start, b.start),
        max(a.end, b.end),
        a.events + b.events,
        max(a.version, b.version),
        tuple(values),
    )


def take(
    held: Sequence[Session], fresh: Sequence[Session], gap: int, merges: Sequence[Merge]
) -> tuple[list[Session], list[Change]]:
    """Sessions that are kept after ``fresh`` ones came, and the changes that tell of it.

    Within each of ``held`` and ``fresh`` they lie more than ``gap`` apart, in order of time.
    """
    if not held:
        return list(fresh), [Change(one, one.version, False) for one in fresh]
    kept: list[Session] = []
    changes: list[Change] = []
    for now, before, touched in _clusters(held, fresh, gap, merges):
        kept.append(now)
        if touched:
            swallowed = (one for one in before if one.start != now.start)
            changes.extend(Change(one, now.version, True) for one in swallowed)
            changes.append(Change(now, now.version, False))
    return kept, changes


def _clusters(
    held: Sequence[Session], fresh: Sequence[Session], gap: int, merges: Sequence[Merge]
) -> Iterator[tuple[Session, list[Session], bool]]:
    """Each session with those of ``held`` in it, and whether one of ``fresh`` is."""
    both = [(one.start, False, one) for one in held] + [(one.start, True, one) for one in fresh]
    both.sort(key=lambda entry: entry[:2])
    _, new, now = both[0]
    before, touched = ([] if new else [now]), new
    for _, new, one in both[1:]:
        if one.start - now.end > gap:
            yield now, before, touched
            now, before, touched = one, [], False
        else:
            now = join(now, one, merges)
        touched |= new
        if not new:
            before.append(one)
    yield now, before, touched
