"""Records of a partition as Kafka may have them: gaps, tombstones, headers, times in any order."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from hypothesis import strategies as st

from headrace.block import Block, TopicPartition

TP = TopicPartition("shop.orders", 3)
START_MS = 1_772_366_390_000
HOUR_MS = 3_600_000


class Record(NamedTuple):
    """One record; equal if all its bytes are."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, Any], ...] = ()


_bytes = st.none() | st.binary(max_size=6)
_headers = st.lists(st.tuples(st.text(max_size=3), _bytes), max_size=2).map(tuple)
#: Mostly forward; also late, early, and a clock that is wrong by a year.
_steps = st.sampled_from(
    [0, 1, 1_000, HOUR_MS // 2, HOUR_MS, -HOUR_MS, 3 * HOUR_MS, 8_760 * HOUR_MS]
)


@st.composite
def logs(draw: st.DrawFn, max_size: int = 24) -> list[Record]:
    """A partition's records, offsets ascending with gaps."""
    n = draw(st.integers(0, max_size))
    offset, now = draw(st.integers(0, 5)), START_MS
    records = []
    for _ in range(n):
        step = draw(_steps)
        now += step if step < HOUR_MS * 100 else 0
        at = now + (step if step > HOUR_MS * 100 else 0)
        records.append(Record(offset, at, draw(_bytes), draw(_bytes), draw(_headers)))
        offset += draw(st.sampled_from([1, 1, 1, 2, 7]))
    return records


def block_of(records: list[Record], first: int, tp: TopicPartition = TP) -> Block:
    """Records, at least one, as a Block that begins at ``first``."""
    return Block(
        tp.topic,
        tp.partition,
        first,
        records[-1].offset,
        [r.value for r in records],
        np.array([r.offset for r in records], np.int64),
        np.array([r.timestamp for r in records], np.int64),
        [r.key for r in records],
        {i: r.headers for i, r in enumerate(records) if r.headers},
    )


def records_of(block: Block) -> list[Record]:
    """A Block's records."""
    return [
        Record(int(offset), int(timestamp), key, value, block.headers.get(i, ()))
        for i, (offset, timestamp, key, value) in enumerate(
            zip(block.offsets, block.timestamps, block.keys, block.values, strict=True)
        )
    ]
