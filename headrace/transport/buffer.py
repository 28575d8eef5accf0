"""Fetched records of one partition, waiting to be cut into Blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Protocol

import numpy as np

from headrace.block import Block, Header, TopicPartition


class Record(Protocol):
    """What the buffer needs of a consumed record (aiokafka's ``ConsumerRecord`` has it)."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


@dataclass(frozen=True, slots=True)
class Fetched:
    """Records read from position ``start`` up to, not including, position ``end``.

    Both are fetch positions: offsets in between without a record were compacted away, aborted, or
    transaction markers.
    """

    start: int
    end: int
    records: Sequence[Record]


@dataclass(frozen=True, slots=True)
class Cut:
    """A Block must end at ``last``. ``whole``: the Block ends nowhere before it, because it was
    intended as one (a block in doubt); otherwise it may be reached in several Blocks."""

    last: int
    whole: bool = False


class OutOfStep(Exception):
    """Fetched records do not continue the buffer: the fetcher stands elsewhere than expected."""


class PartitionBuffer:
    """Accumulates records of one partition in offset order and cuts Blocks from the front.

    ``position`` is where the next fetch must start, ``first`` where the next Block will.
    """

    def __init__(self, tp: TopicPartition, position: int, cuts: Sequence[Cut] = ()) -> None:
        self.tp = tp
        self.rewind(position, cuts)

    def rewind(self, position: int, cuts: Sequence[Cut] = ()) -> None:
        """Forget what is buffered and start again at ``position``, cutting at ``cuts``."""
        self.first = position
        self.position = position
        self.nbytes = 0
        #: When the oldest waiting record was fetched, in seconds of the caller's clock.
        self.since: float | None = None
        self._records: list[Record] = []
        self._cuts = [cut for cut in cuts if cut.last >= position]

    @property
    def rows(self) -> int:
        return len(self._records)

    def add(self, fetched: Fetched, now: float) -> None:
        """Append; raise OutOfStep when the fetch did not start at ``position``."""
        if fetched.start != self.position:
            raise OutOfStep(f"{self.tp}: fetched from {fetched.start}, expected {self.position}")
        self._records.extend(fetched.records)
        self.nbytes += _nbytes(fetched.records)
        self.position = fetched.end
        if self.since is None and self.position > self.first:
            self.since = now

    def skip_to(self, position: int) -> None:
        """Accept that offsets from ``position`` of the buffer up to here are gone from the log.

        The next Block's range covers the gap, as it does for compaction.
        """
        self.position = position

    def wants(self, max_rows: int, max_bytes: int) -> int:
        """How many more records to fetch before a Block is full; 0 when it is."""
        if self._whole and self.position <= self._cuts[0].last:
            return self._cuts[0].last - self.position + 1
        if self.nbytes >= max_bytes:
            return 0
        return max(0, max_rows - self.rows)

    def ripe(self, max_rows: int, max_bytes: int, max_delay: float, now: float) -> bool:
        """Whether a Block should be cut now."""
        if self._whole:
            return self.position > self._cuts[0].last
        if self.rows >= max_rows or self.nbytes >= max_bytes:
            return True
        return self.since is not None and now - self.since >= max_delay

    def cut(self, max_rows: int, max_bytes: int, now: float) -> Block:
        """Take the next Block from the front: at most ``max_rows`` records and ``max_bytes``.

        A single record larger than ``max_bytes`` is a Block of its own. Call when ``ripe``.
        """
        n = len(self._records) if self._whole else self._prefix(max_rows, max_bytes)
        last = self._records[n - 1].offset if n < len(self._records) else self.position - 1
        if self._cuts and last >= self._cuts[0].last:
            last = self._cuts.pop(0).last
            n = sum(1 for _ in takewhile(lambda r: r.offset <= last, self._records))
        taken, self._records = self._records[:n], self._records[n:]
        block = _block(self.tp, self.first, last, taken)
        self.first = last + 1
        self.nbytes -= _nbytes(taken)
        self.since = None if self.first >= self.position else now
        return block

    @property
    def _whole(self) -> bool:
        return bool(self._cuts) and self._cuts[0].whole

    def _prefix(self, max_rows: int, max_bytes: int) -> int:
        n = min(len(self._records), max_rows)
        if self.nbytes <= max_bytes:
            return n
        total = 0
        for i in range(n):
            value = self._records[i].value
            total += 0 if value is None else len(value)
            if total > max_bytes:
                return max(1, i)
        return n


def _nbytes(records: Sequence[Record]) -> int:
    return sum(len(r.value) for r in records if r.value is not None)


def _block(tp: TopicPartition, first: int, last: int, records: Sequence[Record]) -> Block:
    n = len(records)
    return Block(
        topic=tp.topic,
        partition=tp.partition,
        first=first,
        last=last,
        values=[r.value for r in records],
        offsets=np.fromiter((r.offset for r in records), np.int64, n),
        timestamps=np.fromiter((r.timestamp for r in records), np.int64, n),
        keys=[r.key for r in records],
        headers={i: tuple(r.headers) for i, r in enumerate(records) if r.headers},
    )
