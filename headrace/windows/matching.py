"""Which events of one side belong to an event of the other, whatever order both come in.

An event of ``of`` is matched with what its key has on the side of ``with`` at or before it in event
time. Everything here is of one key. What is told are pairs: a pair is added once and, when a better
match comes late, taken back once; it never comes again, so adding up pairs by their signs is right.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

Match = Literal["as_of", "last", "first", "all"]


class Event(NamedTuple):
    """One event of a side, ordered by event time (ms) and then its place in its topic.

    ``payload`` is the JSON text of its fields; None: from then on the table has nothing.
    """

    time: int
    partition: int
    offset: int
    item: int
    payload: str | None


class Pair(NamedTuple):
    """``other`` is None where nothing matches."""

    one: Event
    other: Event | None


class Step(NamedTuple):
    """A pair is added or taken back."""

    pair: Pair
    retracted: bool


@dataclass(frozen=True, slots=True)
class Rule:
    """``within``: how far before its event a match may lie (ms), None: however far.

    ``same``: both sides are of one topic, where no event is before itself, and of equal times the
    lower place is first. Between topics an equal time counts as before.
    """

    match: Match
    within: int | None
    same: bool
    keep: int


@dataclass(slots=True)
class Both:
    """What is kept of a key: events of both sides in order, the greatest event time so far.

    ``seen`` is when the log got the last of them (ms), by its own timestamps.
    """

    newest: int | None = None
    seen: int = 0
    ones: list[Event] = field(default_factory=list)
    others: list[Event] = field(default_factory=list)

    def horizon(self, rule: Rule) -> int | None:
        """Event times before it are late; None while there are none."""
        return None if self.newest is None else self.newest - rule.keep

    def _sees(self, time: int) -> None:
        self.newest = time if self.newest is None else max(self.newest, time)

    def add_one(self, event: Event, rule: Rule) -> Iterator[Step]:
        """An event of ``of`` that is not late: with its matches so far."""
        insort(self.ones, event)
        self._sees(event.time)
        found = _matches(event, self.others, rule)
        if not found:
            yield Step(Pair(event, None), False)
        for other in found:
            yield Step(Pair(event, other), False)

    def add_other(self, event: Event, rule: Rule) -> Iterator[Step]:
        """An event of ``with``, late or not: it corrects what is not final."""
        horizon = self.horizon(rule)
        for one in self._after(event, rule):
            if horizon is not None and one.time < horizon:
                continue
            before = _matches(one, self.others, rule)
            if rule.match == "all":
                yield Step(Pair(one, event), False)
                if not before:
                    yield Step(Pair(one, None), True)
            elif not before or _better(event, before[0], rule):
                yield Step(Pair(one, before[0] if before else None), True)
                yield Step(Pair(one, event), False)
        insort(self.others, event)
        self._sees(event.time)

    def _after(self, other: Event, rule: Rule) -> list[Event]:
        """The events that ``other`` lies before, within the bound."""
        begin = (*other[:3], other.item + 1) if rule.same else (other.time,)
        first = bisect_left(self.ones, begin)
        if rule.within is not None:
            return self.ones[first : bisect_left(self.ones, (other.time + rule.within + 1,))]
        # As of: those at or after the next one are better off with that.
        following = bisect_left(self.others, (*other[:3], other.item + 1))
        if following == len(self.others):
            return self.ones[first:]
        end = self.others[following][:4] if rule.same else (self.others[following].time,)
        return self.ones[first : max(first, bisect_left(self.ones, end))]

    def prune(self, rule: Rule) -> None:
        """Let go of what is final, and of what nothing can match any more."""
        horizon = self.horizon(rule)
        if horizon is None:
            return
        del self.ones[: bisect_left(self.ones, (horizon,))]
        if rule.within is not None:
            del self.others[: bisect_left(self.others, (horizon - rule.within,))]
            return
        # What the table held at the horizon is the last one before it, which stays.
        del self.others[: max(0, bisect_left(self.others, (horizon,)) - 1)]


def _better(event: Event, than: Event, rule: Rule) -> bool:
    return event < than if rule.match == "first" else event > than


def _matches(one: Event, others: list[Event], rule: Rule) -> list[Event]:
    """What of ``others`` belongs to ``one``: all that do, or the one that counts."""
    end = bisect_left(others, one[:4] if rule.same else (one.time + 1,))
    begin = 0 if rule.within is None else bisect_left(others, (one.time - rule.within,))
    if begin >= end:
        return []
    if rule.match == "all":
        return others[begin:end]
    return [others[begin] if rule.match == "first" else others[end - 1]]
