"""Where a partition begins, and which sinks already have what: decided on every assignment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from headrace.delivery.intent import Position, Reached
from headrace.sink import Mark


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition's consumption begins and how its first blocks are cut.

    ``position`` None means the beginning of the log. A block must end at each of ``ends``, because
    a sink is applied up to there. ``wholes`` are last offsets of blocks that must be repeated as
    they were: each begins at ``position`` or right after an end.
    """

    position: int | None
    ends: tuple[int, ...] = ()
    wholes: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """A partition's start and, by sink: the last offset it is to be passed over for, what it holds
    by its own word, and where the block ends that it may hold besides (if there is one)."""

    start: Start
    applied: Mapping[str, int]
    held: Mapping[str, int]
    doubts: Mapping[str, int]


def plan(committed: Position | None, marks: Mapping[str, Mark]) -> Plan:
    """Decide from the commit and from what each sink (by name) says of itself.

    - A sink that says less than the commit recorded of it lost its tail: it alone is caught up.
    - A sink that says more than the commit leaves possible shows that the commit is stale (a late
      one overwrote a newer one, or the group's log lost its end): what it holds counts.
    - A sink of which the commit records nothing (a new one, or an operator's reset of the offsets)
      is passed over for what it holds, and otherwise starts where the group stands.
    - Without a commit (expired, deleted) what the sinks say is all there is.
    """
    applied, doubts = {}, {}
    for name, mark in marks.items():
        recorded = None if committed is None else committed.marks.get(name)
        applied[name] = mark.held if committed is None else _applied(committed, recorded, mark.held)
        doubt = _doubt(committed, recorded, mark, applied[name])
        if doubt is not None:
            doubts[name] = doubt
    wholes = set(doubts.values())
    if committed is not None and committed.last is not None:
        wholes.add(committed.last)
    held = {name: mark.held for name, mark in marks.items()}
    return Plan(_start(committed, applied, wholes), applied, held, doubts)


def _doubt(
    committed: Position | None, recorded: Reached | None, mark: Mark, applied: int
) -> int | None:
    """The last offset of a block that starts after ``applied`` and may be in the sink."""
    if mark.begun is not None and applied == mark.held:
        return mark.begun
    if recorded is not None and recorded.applied == applied and recorded.doubt is not None:
        return recorded.doubt
    return committed.last if committed is not None and applied == committed.offset - 1 else None


def _applied(committed: Position, recorded: Reached | None, held: int) -> int:
    done = committed.offset - 1
    if recorded is None:
        in_doubt = committed.last is not None and held <= committed.last
        return done if in_doubt else max(done, held)
    if held < recorded.held:
        return min(held, done) if recorded.applied is None else held
    possible = (done, committed.last, recorded.applied, recorded.doubt)
    if held > max(offset for offset in possible if offset is not None):
        return held
    return done if recorded.applied is None else max(done, recorded.applied)


def _start(committed: Position | None, applied: Mapping[str, int], wholes: set[int]) -> Start:
    least = min(applied.values(), default=-1)
    if committed is None:
        if max(applied.values(), default=-1) < 0 and not wholes:
            return Start(None)
        position = least + 1
    else:
        position = min(least + 1, committed.offset) if applied else committed.offset
    ends = set(applied.values()) | ({committed.offset - 1} if committed else set())
    return Start(
        position,
        tuple(sorted(end for end in ends - wholes if end >= position)),
        tuple(sorted(last for last in wholes if last >= position)),
    )
