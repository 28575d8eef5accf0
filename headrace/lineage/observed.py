"""What an agent reads, by running it: a field whose values change what it writes is read.

A field that the samples give no occasion to matter (a branch for a value that they do not have) is
not found, so what is found is true and what is not found may be there. ``Observed.silent`` names
the targets that no sample made the agent write.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import polars as pl
from polars.testing import assert_frame_equal

from headrace.agent import AgentFunction
from headrace.frame import Frame
from headrace.writes import Writes, combine

#: How often a field is drawn again; one that only breaks ties may need more than one.
DRAWS = 2


@dataclass(frozen=True, slots=True)
class Target:
    """A keyspace, a table's column, or a field of the events that are emitted to a topic."""

    keyspace: str = ""
    table: str = ""
    topic: str = ""
    column: str = ""


@dataclass(frozen=True, slots=True)
class Observed:
    """``reads``: pairs of a field's path and what it changes; ``failed``: why there are none."""

    reads: Sequence[tuple[str, Target]] = ()
    written: frozenset[Target] = frozenset()
    failed: str = ""


def observe(
    agent: AgentFunction, frame: Callable[[str | None, int], Frame], paths: Sequence[str]
) -> Observed:
    """Run ``agent`` on a frame and on others that differ in one path each; see ``Samples``."""
    try:
        before = _told(agent(frame(None, 0)))
        reads: dict[tuple[str, Target], None] = {}
        for path in paths:
            for draw in range(DRAWS):
                after = _told(agent(frame(path, draw)))
                reads.update({(path, target): None for target in _changed(before, after)})
    except Exception as error:  # an agent may raise anything on what it does not expect
        return Observed(failed=f"it raised {type(error).__name__}: {error}")
    return Observed(tuple(reads), frozenset(before))


Told = dict[Target, list[pl.DataFrame]]


def _told(writes: Writes) -> Told:
    """What goes where: updates merged as the sinks get them, rows in their order."""
    told: Told = {}
    for op in combine(writes.redis):
        told.setdefault(Target(keyspace=op.keyspace), []).append(op.frame.sort(pl.all()))
    for rows in writes.rows:
        for column in rows.frame.get_columns():
            at = Target(table=rows.table, column=column.name)
            told.setdefault(at, []).append(column.to_frame())
    for emit in writes.events:
        for name in dict.fromkeys(name for event in emit.events for name in event):
            values = [str(event.get(name)) for event in emit.events]
            at = Target(topic=emit.topic, column=name)
            told.setdefault(at, []).append(pl.DataFrame({name: values}))
    for state in writes.state:
        kept = pl.DataFrame(sorted(state.values.items()), schema=_STATE, orient="row")
        told.setdefault(Target(keyspace=state.keyspace), []).append(kept)
    return told


_STATE = {"key": pl.String, "value": pl.Binary}


def _changed(before: Told, after: Told) -> Iterator[Target]:
    for target in {**before, **after}:
        one, other = before.get(target, []), after.get(target, [])
        if len(one) != len(other) or not all(map(_equal, one, other)):
            yield target


def _equal(one: pl.DataFrame, other: pl.DataFrame) -> bool:
    try:
        assert_frame_equal(one, other, check_exact=True)
    except AssertionError:
        return False
    return True
