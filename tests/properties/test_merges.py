"""Merges: in blocks or row by row, all kinds come to the same end; some in any order."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import Terminal
from headrace.memory import MemorySink
from headrace.sink import BlockRange
from headrace.writes import COLUMNS, Kind, RedisOps, Writes, combine, merge

NAMES = st.sampled_from(["a", "b", ""])
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "id": NAMES,
    "field": NAMES,
    "member": NAMES,
    "delta": st.integers(-3, 3),
    "bucket": st.integers(-1, 3),
    "value": st.text(max_size=2),
    "score": st.integers(-8, 8).map(lambda n: n * 0.125),  # exact in any order
}


@st.composite
def updates(draw: st.DrawFn, kind: Kind) -> list[dict[str, Any]]:
    columns = [c for c in COLUMNS[kind] if c != "version"]
    rows = draw(st.lists(st.fixed_dictionaries({c: VALUES[c] for c in columns}), max_size=15))
    if kind is not Kind.LAST:
        return rows
    versions = draw(st.permutations(range(len(rows))))  # one record has one version
    return [row | {"version": f"{v:03d}"} for row, v in zip(rows, versions, strict=True)]


def op(kind: Kind, rows: list[dict[str, Any]], keep: int | None = None) -> RedisOps:
    return RedisOps(kind, "k", pl.DataFrame(rows, schema=COLUMNS[kind]), keep)


def end(blocks: list[list[RedisOps]]) -> dict[Any, Any]:
    sink = MemorySink()
    for i, ops in enumerate(blocks):
        sink.take(BlockRange("t", 0, i, i), Writes(redis=ops))
    return sink.redis


KINDS = st.sampled_from(list(Kind))
CUTS = st.lists(st.integers(0, 15), max_size=4)


@given(st.data(), KINDS, CUTS)
def test_merged_blocks_end_as_single_updates_do(data: st.DataObject, kind: Kind, cuts: list[int]):
    rows = data.draw(updates(kind))
    keep = data.draw(st.sampled_from([None, 1, 2])) if kind is Kind.MAX else None
    single = [[op(kind, [row], keep)] for row in rows]
    edges = sorted({0, len(rows), *(c for c in cuts if c < len(rows))})
    merged = [combine([op(kind, rows[a:b], keep)]) for a, b in pairwise(edges)]
    assert end(single) == end(merged)


@given(st.data(), KINDS)
def test_the_order_of_updates_does_not_matter(data: st.DataObject, kind: Kind):
    rows = data.draw(updates(kind))
    mixed = data.draw(st.permutations(rows))
    keep = 2 if kind is Kind.MAX else None
    assert end([[op(kind, [r], keep)] for r in rows]) == end([[op(kind, [r], keep)] for r in mixed])


@given(st.data(), KINDS)
def test_each_target_stands_once_and_merging_again_changes_nothing(data: st.DataObject, kind: Kind):
    merged = merge(kind, op(kind, data.draw(updates(kind))).frame)
    target = list(COLUMNS[kind])[:2]
    assert merged.select(target).is_unique().all()
    assert merge(kind, merged).equals(merged)


def test_a_ring_drops_a_bucket_that_a_newer_one_replaced():
    rows = [{"id": "u", "field": "m:h0", "bucket": b, "delta": 1} for b in (24, 0, 24, 48, 24)]
    assert end([[op(Kind.RING, rows)]]) == {(0, "k", "u"): {"m:h0": (48, 1)}}


def test_updates_of_several_agents_become_one_and_keep_apart_what_differs():
    a = {"id": "x", "field": "n", "delta": 2}
    merged = combine(
        [
            op(Kind.ADD, [a]),
            op(Kind.MAX, [{"id": "x", "member": "m", "score": 1.0}], 5),
            RedisOps(Kind.ADD, "other", op(Kind.ADD, [a]).frame),
            RedisOps(Kind.ADD, "k", op(Kind.ADD, [a]).frame.select("delta", "field", "id")),
            op(Kind.LAST, []),
        ]
    )
    assert [(m.kind, m.keyspace, m.keep) for m in merged] == [
        (Kind.ADD, "k", None),
        (Kind.MAX, "k", 5),
        (Kind.ADD, "other", None),
    ]
    assert merged[0].frame.to_dicts() == [{**a, "delta": 4}]


@pytest.mark.parametrize("wrong", [{"id": ["x"], "field": ["n"]}, {"id": [1], "delta": [1]}])
def test_a_frame_that_is_not_of_its_kind_is_named(wrong: dict[str, Any]):
    with pytest.raises(Terminal, match=r"keyspace 'k': ADD needs columns .*delta"):
        combine([RedisOps(Kind.ADD, "k", pl.DataFrame(wrong))])
