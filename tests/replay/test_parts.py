"""The parts of a replay by themselves: ranges, cuts, columns, what agents are asked."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.block import Block, TopicPartition
from headrace.errors import Terminal, Transient
from headrace.replay import cut
from headrace.replay.build import Build, Phase, Span
from headrace.replay.copying import Copying, Pace, _cut
from headrace.sink import BlockRange
from sinks.clickhouse.compared import merged
from sinks.clickhouse.versions import behind, instead, number, shown

TP = TopicPartition("t", 0)


def build(begin: int, end: int, rows: int) -> Build:
    span = Span(topic="t", partition=0, begin=begin, cut=end)
    return Build(
        view="v", version=2, definition="d", phase=Phase.CUT, before=1, range_rows=rows,
        spans=(span,),
    )  # fmt: skip


def block(first: int, last: int, offsets: list[int]) -> Block:
    n = len(offsets)
    at = np.array(offsets, np.int64)
    headers = {i: (("h", str(o).encode()),) for i, o in enumerate(offsets) if o % 3 == 0}
    return Block(
        "t", 0, first, last, [str(o).encode() for o in offsets], at, at, [None] * n, headers
    )


@given(st.integers(0, 500), st.integers(0, 500), st.integers(1, 90))
def test_ranges_cover_a_span_and_are_cut_at_the_same_places_wherever_it_begins(
    begin: int, length: int, rows: int
):
    made = build(begin, begin + length, rows)
    ranges = list(made.ranges(made.spans[0]))
    covered = [offset for part in ranges for offset in range(part.first, part.last + 1)]
    assert covered == list(range(begin, begin + length))
    assert all(part.first % rows == 0 for part in ranges[1:])
    later = build(begin // rows * rows, begin + length, rows)
    assert set(ranges[1:]) <= set(later.ranges(later.spans[0]))


@given(st.data())
def test_blocks_are_cut_at_ranges_and_nothing_is_lost(data: st.DataObject):
    end = data.draw(st.integers(1, 200))
    rows = data.draw(st.integers(1, 60))
    there = sorted(data.draw(st.sets(st.integers(0, end - 1))))
    edges = sorted({0, end, *data.draw(st.sets(st.integers(1, max(end - 1, 1))))})
    edges = [edge for edge in edges if edge <= end]
    blocks = [block(a, b - 1, [o for o in there if a <= o < b]) for a, b in pairwise(edges)]
    made = build(0, end, rows)
    pieces = list(_cut(iter(blocks), made.ranges(made.spans[0])))
    assert [int(o) for _, piece in pieces for o in piece.offsets] == there
    for part, piece in pieces:
        assert part.first <= piece.first <= piece.last <= part.last
        for i, offset in enumerate(piece.offsets.tolist()):
            assert piece.values[i] == str(offset).encode()
            assert piece.headers.get(i, ()) == (
                (("h", str(offset).encode()),) if offset % 3 == 0 else ()
            )


class Topic:
    """A log whose end moves each time that it is looked at, until it rests."""

    def __init__(self, moves: Iterator[int]) -> None:
        self._moves = moves
        self.end = 100
        self.begun: list[int] = []
        self.given_up = 0

    def ends(self) -> dict[TopicPartition, int]:
        self.end += next(self._moves, 0)
        return {TP: self.end}

    def begin(self, cuts: cut.Ends) -> None:
        self.begun.append(cuts[TP])

    def give_up(self) -> None:
        self.given_up += 1


def test_a_topic_at_rest_is_cut_at_its_end():
    topic = Topic(iter(()))
    assert cut.settle(topic.ends, topic.begin, topic.give_up) == {TP: 100}
    assert topic.begun == [100]


def test_one_that_moves_is_cut_ahead_and_the_cut_is_waited_for():
    topic = Topic(iter([0, 5, *[7] * 100]))
    found = cut.settle(topic.ends, topic.begin, topic.give_up)
    assert topic.given_up == 1
    assert found[TP] > topic.begun[0] + 5
    assert topic.end >= found[TP]


def test_one_that_comes_to_rest_before_its_cut_is_cut_at_its_end(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(cut, "REACH_S", 0.1)
    topic = Topic(iter([0, 5]))
    assert cut.settle(topic.ends, topic.begin, topic.give_up) == {TP: 105}
    assert topic.given_up > 1


def test_no_cut_that_holds_is_an_error():
    topic = Topic(10 ** (9 + n) for n in range(100))
    with pytest.raises(Transient, match="no cut held"):
        cut.settle(topic.ends, topic.begin, topic.give_up)
    assert topic.given_up == cut.ATTEMPTS


@dataclass
class Crowded:
    """A store whose version took many live blocks while nobody was replaying."""

    came: int

    def blocks(self, version: int) -> int:
        return self.came

    def memory(self) -> int:
        return 1_000


@pytest.mark.parametrize(("came", "forgotten"), [(1_040, False), (1_041, True)])
def test_a_range_that_may_be_forgotten_is_not_repeated(came: int, forgotten: bool):
    copying: Any = Copying(
        cast(Any, Crowded(came)), build(0, 9, 3), {}, {}, cast(Any, None), lambda *_: None,
        Pace(0), threading.Event(),
    )  # fmt: skip
    refused = (
        pytest.raises(Terminal, match="'--discard' and begin again") if forgotten else nullcontext()
    )
    with refused:
        copying._check({BlockRange("t", 0, 0, 2): 40, BlockRange("t", 0, 3, 5): 7})


def test_a_pace_is_kept_by_all_together(monkeypatch: pytest.MonkeyPatch):
    waited: list[float] = []
    stop: Any = SimpleNamespace(wait=waited.append)
    monkeypatch.setattr("headrace.replay.copying.time", SimpleNamespace(monotonic=lambda: 50.0))
    pace = Pace(100)
    for _ in range(3):
        pace.take(200, stop)
    assert waited == [0, 2, 4]


def test_names_of_versions():
    assert number("v", "v__v12") == 12
    assert [number("v", name) for name in ("v", "w__v1", "v__v01", "v__v1__from_t")] == [None] * 4
    assert shown("v", "SELECT * FROM db.v__v3") == 3
    assert shown("v", "SELECT * FROM db.`v__v3`") == 3
    assert shown("v", "SELECT count() FROM t") is None


def test_a_source_is_stood_in_for_without_touching_the_select():
    assert instead("SELECT a FROM t", "t", "SELECT 1").split("\n")[1] == "SELECT a FROM t"
    nested = instead("WITH x AS (SELECT 1) SELECT a FROM t", "t", "SELECT 2")
    assert nested == "WITH `t` AS (SELECT 2), x AS (SELECT 1) SELECT a FROM t"
    assert behind({1: 7, 0: 3}) == (
        "(_partition = 0 AND _offset >= 3) OR (_partition = 1 AND _offset >= 7)"
    )
    assert behind({}) == "0"


@pytest.mark.parametrize(
    ("kind", "sql"),
    [
        ("SimpleAggregateFunction(sum, UInt64)", "toString(sum(`c`))"),
        ("SimpleAggregateFunction(max, Float64)", "toString(toFloat32(max(`c`)))"),
        ("AggregateFunction(uniqExact, String)", "toString(uniqExactMerge(`c`))"),
        (
            "AggregateFunction(quantilesDD(0.01, 0.5), Float64)",
            "toString(quantilesDDMerge(0.01, 0.5)(`c`))",
        ),
        ("String", "toString(any(`c`))"),
    ],
)
def test_columns_are_finalised(kind: str, sql: str):
    assert merged("c", kind) == sql


def test_a_range_says_where_it_is():
    assert str(BlockRange("t", 2, 3, 9)) == "t[2]@3-9"
