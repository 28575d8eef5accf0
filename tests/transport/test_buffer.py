"""PartitionBuffer: however the log is fetched, the Blocks cover it without gap or overlap."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.block import TopicPartition
from headrace.transport import buffer as module
from headrace.transport.buffer import Columns, Cut, OutOfStep, PartitionBuffer

TP = TopicPartition("t", 0)
BIG = 1 << 40


@dataclass
class Rec:
    offset: int
    value: bytes | None = b"x"
    timestamp: int = 0
    key: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()


def Fetched(start: int, end: int, records: list[Rec]) -> module.Fetched:  # noqa: N802
    return module.Fetched(start, end, Columns.of(records))


def drain(buffer: PartitionBuffer, max_rows: int, max_bytes: int = BIG) -> list:
    blocks = []
    while buffer.first < buffer.position and buffer.ripe(max_rows, max_bytes, 0.0, 1.0):
        blocks.append(buffer.cut(max_rows, max_bytes, 1.0))
    return blocks


@st.composite
def logs(draw):
    """A log with gaps: offsets that exist, and where the log ends (markers may trail)."""
    gaps = draw(st.lists(st.integers(1, 4), max_size=60))
    offsets, at = [], draw(st.integers(0, 5))
    start = at
    for gap in gaps:
        offsets.append(at + gap - 1)
        at += gap
    return start, offsets, at + draw(st.integers(0, 3))


@given(logs(), st.data())
def test_blocks_cover_the_log_in_order(log, data):
    start, offsets, end = log
    max_rows = data.draw(st.integers(1, 10))
    cuts = sorted(data.draw(st.sets(st.integers(start, max(start, end - 1)), max_size=4)))
    buffer = PartitionBuffer(TP, start, [Cut(c) for c in cuts])
    position, blocks = start, []
    while position < end:
        step = data.draw(st.integers(1, 12))
        stop = min(end, position + step)
        buffer.add(Fetched(position, stop, [Rec(o) for o in offsets if position <= o < stop]), 0.0)
        position = stop
        blocks += drain(buffer, max_rows)
    blocks += drain(buffer, max_rows)
    assert [o for b in blocks for o in b.offsets] == offsets
    assert all(len(b) <= max_rows for b in blocks)
    edges = [(b.first, b.last) for b in blocks]
    assert [first for first, _ in edges] == [start, *(last + 1 for _, last in edges[:-1])][
        : len(edges)
    ]
    assert (edges[-1][1] + 1 if edges else start) == end
    lasts = {last for _, last in edges}
    assert all(cut in lasts for cut in cuts if cut < end)


def test_a_block_in_doubt_is_cut_exactly_as_it_was_intended():
    buffer = PartitionBuffer(TP, 10, [Cut(19, whole=True)])
    assert buffer.wants(3, BIG) == 10  # its size, whatever the limits are now
    buffer.add(Fetched(10, 15, [Rec(o) for o in range(10, 15)]), 0.0)
    assert not buffer.ripe(3, 1, 0.0, 99.0)
    buffer.add(Fetched(15, 25, [Rec(o) for o in range(15, 25)]), 0.0)
    block = buffer.cut(3, 1, 0.0)
    assert (block.first, block.last, len(block)) == (10, 19, 10)
    block = buffer.cut(3, BIG, 0.0)
    assert (block.first, block.last) == (20, 22)


def test_trailing_markers_make_an_empty_block_so_that_lag_reaches_zero():
    buffer = PartitionBuffer(TP, 5)
    buffer.add(Fetched(5, 8, []), 0.0)
    assert not buffer.ripe(10, BIG, 0.2, 0.1)
    assert buffer.ripe(10, BIG, 0.2, 0.3)
    block = buffer.cut(10, BIG, 0.3)
    assert (block.first, block.last, len(block)) == (5, 7, 0)
    assert not buffer.ripe(10, BIG, 0.0, 9.0)


def test_records_that_do_not_continue_are_refused():
    buffer = PartitionBuffer(TP, 5)
    with pytest.raises(OutOfStep, match="fetched from 3, expected 5"):
        buffer.add(Fetched(3, 6, [Rec(3)]), 0.0)
    assert buffer.rows == 0


def test_blocks_stay_under_max_bytes_but_a_giant_record_passes_alone():
    buffer = PartitionBuffer(TP, 0)
    sizes = [10, 10, 100, 10, None]
    buffer.add(
        Fetched(0, 5, [Rec(o, None if n is None else b"x" * n) for o, n in enumerate(sizes)]), 0.0
    )
    blocks = []
    while buffer.first < buffer.position:
        blocks.append(buffer.cut(100, 25, 0.0))
    assert [len(b) for b in blocks] == [2, 1, 2]
    assert buffer.nbytes == 0


def test_offsets_lost_to_retention_are_covered_by_the_next_block():
    buffer = PartitionBuffer(TP, 5, [Cut(9, whole=True)])
    buffer.skip_to(20)
    assert buffer.ripe(10, BIG, 0.0, 0.0)
    assert str(buffer.cut(10, BIG, 0.0)) == "t[0]@5-9"
    buffer.add(Fetched(20, 21, [Rec(20)]), 0.0)
    assert str(buffer.cut(10, BIG, 0.0)) == "t[0]@10-20"
