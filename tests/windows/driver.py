"""Runs a stateful agent over a log in memory, block by block, and reads what it told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import strategies as st

from headrace.block import Block
from headrace.frame import Frame
from headrace.writes import Writes

Row = dict[str, Any]
Agent = Callable[[Frame, Mapping[str, bytes]], Writes]


def frame(
    rows: Sequence[Row],
    schema: Mapping[str, pl.DataType],
    first: int = 0,
    topic: str = "t",
    partition: int = 0,
) -> Frame:
    """Rows as the frame of one block that begins at offset ``first``."""
    offsets = pl.Series("_offset", range(first, first + len(rows)), pl.Int64)
    df = pl.DataFrame(rows, schema=dict(schema)).with_columns(
        pl.lit(partition, pl.Int32).alias("_partition"), offsets
    )
    last = first + max(len(rows), 1) - 1
    none: list[None] = [None] * len(rows)
    numbers = offsets.to_numpy()
    return Frame(Block(topic, partition, first, last, none, numbers, numbers, none), df)


class Driver:
    """Keeps states and what was told; a repeated block must ask for the same."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self.states: dict[str, bytes] = {}
        self.due: dict[str, int] = {}
        self.told: list[Row] = []
        self.late: Counter[str] = Counter()

    def take(self, one: Frame) -> None:
        """Run the agent on a block, twice: what it asks for is a function of block and states."""
        writes, again = (self._agent(one, dict(self.states)) for _ in range(2))
        assert _shown(writes) == _shown(again)
        for emit in writes.events:
            self.told.extend(map(dict, emit.events))
        for state in writes.state:
            for key, value in state.values.items():
                self.due.pop(key, None)
                if value is None:
                    self.states.pop(key, None)
                else:
                    self.states[key] = value
            self.due.update(state.due)
        for op in writes.redis:
            for row in op.frame.to_dicts():
                self.late[row["field"]] += row["delta"]

    def run(
        self, rows: Sequence[Row], schema: Mapping[str, pl.DataType], cuts: Sequence[int]
    ) -> Driver:
        """The whole log, cut before the offsets ``cuts``."""
        for first, behind in spans(len(rows), cuts):
            self.take(frame(rows[first:behind], schema, first))
        return self


def spans(length: int, cuts: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Blocks of a log of that length."""
    edges = sorted({0, length, *(cut for cut in cuts if cut < length)})
    yield from pairwise(edges)


def current(told: Sequence[Row], by: str) -> dict[str, Row]:
    """The rows that are not retracted: of each id the one of the greatest version, if it stands.

    What is told twice, after a crash, must be the same.
    """
    once: dict[str, Row] = {}
    for row in told:
        assert once.setdefault(row["event_id"], row) == row
    newest: dict[str, Row] = {}
    for row in sorted(once.values(), key=lambda row: (row["version"], row["retracted"])):
        newest[row[by]] = row
    return {key: row for key, row in newest.items() if not row["retracted"]}


def relapsed(
    make: Callable[[], Driver],
    log: Sequence[Row],
    schema: Mapping[str, pl.DataType],
    first: Sequence[int],
    second: Sequence[int],
    blocks: tuple[int, int],
) -> Driver:
    """Some blocks of the cut ``first`` are run, then states fall back to before an earlier one.

    ``blocks``: how many are run, and how many of these are lost. From there it goes on in blocks
    ``second``. What was told stays told.
    """
    ran = make()
    run = list(spans(len(log), first))[: blocks[0]]
    begin, held = 0, dict(ran.states)
    for start, behind in run:
        if len(run) - run.index((start, behind)) == blocks[1]:
            begin, held = start, dict(ran.states)
        ran.take(frame(log[start:behind], schema, start))
    ran.states = held
    for start, behind in spans(len(log) - begin, second):
        ran.take(frame(log[begin + start : begin + behind], schema, begin + start))
    return ran


def times(bounds_ms: Sequence[int], hours: int) -> st.SearchStrategy[list[int]]:
    """Event times of a log (ms): time goes on by leaps, many events come late by about a bound.

    ``hours`` is how far it goes on at most; a millisecond more or less tells what a bound includes.
    """
    leap = st.sampled_from([0, 0, 900_000, *bounds_ms])
    back = st.sampled_from([0, 0, *bounds_ms, sum(bounds_ms)])
    aside = st.sampled_from([0, 0, 0, -1, 1])
    move = st.tuples(leap, back, aside)
    most = hours * 3_600_000

    def told(moves: list[tuple[int, int, int]]) -> list[int]:
        now, found = most, []
        for leap, back, aside in moves:
            now = min(now + leap, 2 * most)
            found.append(max(now - back + aside, most))
        return found

    return st.lists(move, max_size=30).map(told)


def cuts() -> st.SearchStrategy[list[int]]:
    """Where a log is cut into blocks."""
    return st.lists(st.integers(1, 40), max_size=12)


def _shown(writes: Writes) -> Any:
    return (
        [(op.kind, op.keyspace, op.frame.to_dicts()) for op in writes.redis],
        [(emit.topic, list(emit.events)) for emit in writes.events],
        [(state.keyspace, dict(state.values), dict(state.due)) for state in writes.state],
    )
