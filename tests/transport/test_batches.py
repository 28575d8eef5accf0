"""Taking fetched records by the batch, against aiokafka's own reading of the same bytes."""

from __future__ import annotations

import gc
import weakref
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult, PartitionRecords
from aiokafka.errors import CorruptRecordException
from aiokafka.record.default_records import DefaultRecordBatchBuilder
from aiokafka.record.memory_records import MemoryRecords
from aiokafka.structs import TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from headrace.transport import batches

TP = TopicPartition("t", 0)


def batch(first: int, offsets: list[int], producer: int = -1, transactional: bool = False) -> bytes:
    """A batch as the broker stores it; offsets may have gaps, as compaction leaves them."""
    builder = DefaultRecordBatchBuilder(2, 0, transactional, producer, 0, 0, 1 << 20)
    for offset in offsets:
        builder.append(offset - first, 1_000 + offset, b"k%d" % offset, b"v%d" % offset, [])
    built = bytearray(builder.build())
    built[0:8] = first.to_bytes(8, "big")
    return bytes(built)


def fetched(data: bytes, position: int, aborted: list[tuple[int, int]] = ()) -> Any:
    """A FetchResult over these bytes, and the partition's state."""
    state = SimpleNamespace(position=position, paused=False)
    state.consumed_to = lambda to: setattr(state, "position", to)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    records = PartitionRecords(
        TP, MemoryRecords(data), list(aborted), position, None, None, True, READ_COMMITTED
    )
    result = FetchResult(TP, assignment=assignment, partition_records=records, backoff=0)
    return result, state


@st.composite
def logs(draw: Any) -> tuple[bytes, int, list[tuple[int, int]]]:
    """Some batches, a position within or before them, and transactions that were aborted."""
    data, at, aborted = b"", draw(st.integers(0, 5)), []
    start = at
    for _ in range(draw(st.integers(1, 5))):
        size = draw(st.integers(1, 6))
        offsets = sorted(draw(st.sets(st.integers(at, at + size), min_size=1, max_size=size)))
        transactional = draw(st.booleans())
        producer = 7 if transactional else -1
        if transactional and draw(st.booleans()):
            aborted.append((7, at))
        data += batch(at, offsets, producer, transactional)
        at = offsets[-1] + 1 + draw(st.integers(0, 2))
    return data, draw(st.integers(start, at)), aborted


@given(logs(), st.integers(1, 20))
def test_the_same_records_and_the_same_position_as_one_by_one(log, limit):
    data, position, aborted = log
    theirs, their_state = fetched(data, position, aborted)
    expected = [(r.offset, r.key, r.value, r.timestamp) for r in theirs.getall()]
    ours, our_state = fetched(data, position, aborted)
    found = []
    while ours.has_more():
        taken = batches.take(ours, limit)
        assert taken or not ours.has_more() or our_state.position > position
        found += [(r.offset, r.key, r.value, r.timestamp) for r in taken]
        assert not found or our_state.position > found[-1][0]
    assert found == expected
    assert our_state.position == their_state.position


def test_nothing_of_a_fetch_is_left_when_it_has_been_taken():
    result, _ = fetched(batch(0, list(range(100))), 0)
    left = weakref.ref(result._partition_records)
    gc.disable()  # a cycle would stay
    try:
        assert len(batches.take(result, 1000)) == 100
        assert left() is None
    finally:
        gc.enable()


def test_a_damaged_batch_is_not_passed_over():
    good, bad = batch(0, [0, 1]), bytearray(batch(2, [2, 3]))
    bad[-1] ^= 1
    result, state = fetched(good + bytes(bad), 0)
    with pytest.raises(CorruptRecordException):
        batches.take(result, 10)
    assert state.position == 0
    assert not result.has_more()


def test_records_fetched_before_a_seek_are_dropped():
    result, state = fetched(batch(0, [0, 1]), 0)
    state.position = 1
    assert batches.take(result, 10) == []
    assert not result.has_more()
