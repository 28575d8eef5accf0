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


class Fresh(NamedTuple):
    """A session of one block. ``starts`` are where sessions in it may have begun meanwhile.

    A block is told of as a whole. But when it comes again it may be cut in two (Redis lost its
    tail): then what it was between its events was told, too, and must be taken back.
    """

    session: Session
    starts: tuple[int, ...] = ()


class Change(NamedTuple):
    """What became of a session: as it is now; or, ``retracted``, what the one that began then is
    part of now. So both follow from key, start and version, whatever the blocks.
    """

    session: Session
    start: int
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
    held: Sequence[Session], fresh: Sequence[Fresh], gap: int, merges: Sequence[Merge]
) -> tuple[list[Session], list[Change]]:
    """Sessions that are kept after ``fresh`` ones came, and the changes that tell of it.

    Within each of ``held`` and ``fresh`` they lie more than ``gap`` apart, in order of time.
    """
    kept: list[Session] = []
    changes: list[Change] = []
    for now, begun, touched in _clusters(held, fresh, gap, merges):
        kept.append(now)
        if touched:
            begun.discard(now.start)
            changes.extend(Change(now, start, True) for start in sorted(begun))
            changes.append(Change(now, now.start, False))
    return kept, changes


def _clusters(
    held: Sequence[Session], fresh: Sequence[Fresh], gap: int, merges: Sequence[Merge]
) -> Iterator[tuple[Session, set[int], bool]]:
    """Each session, where those in it began that may be told, and whether one is ``fresh``."""
    if not held:
        yield from ((one.session, set(one.starts), True) for one in fresh)
        return
    both: list[tuple[int, bool, Session, tuple[int, ...]]] = [
        *((one.start, False, one, (one.start,)) for one in held),
        *((one.session.start, True, one.session, one.starts) for one in fresh),
    ]
    both.sort(key=lambda entry: entry[:2])
    _, touched, now, starts = both[0]
    begun = set(starts)
    for _, new, one, starts in both[1:]:
        if one.start - now.end > gap:
            yield now, begun, touched
            now, begun, touched = one, set(starts), new
        else:
            now = join(now, one, merges)
            begun.update(starts)
            touched |= new
    yield now, begun, touched
