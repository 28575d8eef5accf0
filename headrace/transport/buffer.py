"""Fetched records of one partition, waiting to be cut into Blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Protocol

import numpy as np
import numpy.typing as npt

from headrace.block import Block, Header, TopicPartition, nbytes


class Record(Protocol):
    """What the buffer needs of a consumed record (aiokafka's ``ConsumerRecord`` has it)."""

    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[Header]


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Records by column; ``headers`` is sparse, by index."""

    values: list[bytes | None]
    keys: list[bytes | None]
    offsets: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    headers: dict[int, tuple[Header, ...]]

    @classmethod
    def of(cls, records: Sequence[Record]) -> Columns:
        """Turn records into columns: one pass for each, nothing kept of the record objects."""
        n = len(records)
        return cls(
            [r.value for r in records],
            [r.key for r in records],
            np.fromiter([r.offset for r in records], np.int64, n),
            np.fromiter([r.timestamp for r in records], np.int64, n),
            {i: tuple(r.headers) for i, r in enumerate(records) if r.headers},
        )

    def __len__(self) -> int:
        return len(self.values)

    @classmethod
    def joined(cls, parts: Sequence[Columns]) -> Columns:
        """All parts one after the other, copied once."""
        if len(parts) == 1:
            return parts[0]
        if not parts:
            return EMPTY
        starts = accumulate(map(len, parts), initial=0)
        return cls(
            list(chain.from_iterable(part.values for part in parts)),
            list(chain.from_iterable(part.keys for part in parts)),
            np.concatenate([part.offsets for part in parts]),
            np.concatenate([part.timestamps for part in parts]),
            {
                i + start: header
                for part, start in zip(parts, starts, strict=False)
                for i, header in part.headers.items()
            },
        )

    def split(self, n: int) -> tuple[Columns, Columns]:
        """The first ``n`` records, and the rest."""
        if n == len(self):
            return self, EMPTY
        return (
            Columns(
                self.values[:n],
                self.keys[:n],
                self.offsets[:n],
                self.timestamps[:n],
                {i: h for i, h in self.headers.items() if i < n},
            ),
            Columns(
                self.values[n:],
                self.keys[n:],
                self.offsets[n:],
                self.timestamps[n:],
                {i - n: h for i, h in self.headers.items() if i >= n},
            ),
        )


EMPTY = Columns([], [], np.empty(0, np.int64), np.empty(0, np.int64), {})


@dataclass(frozen=True, slots=True, eq=False)
class Fetched:
    """Records read from position ``start`` up to, not including, position ``end``.

    Both are fetch positions: offsets in between without a record were compacted away, aborted, or
    transaction markers.
    """

    start: int
    end: int
    columns: Columns


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

    ``position`` is where the next fetch must start, ``first`` where the next Block will. Blocks
    before ``begin`` are read only to know the ids in them; a Block ends where it begins.
    """

    def __init__(
        self,
        tp: TopicPartition,
        position: int,
        cuts: Sequence[Cut] = (),
        begin: int | None = None,
    ) -> None:
        self.tp = tp
        self.begin = position if begin is None else begin
        self.first = position
        self.position = position
        self.nbytes = 0
        self.rows = 0
        #: When the oldest waiting record was fetched, in seconds of the caller's clock.
        self.since: float | None = None
        #: What waits, fetch by fetch: joined when a Block is cut, not at every fetch.
        self._parts: list[Columns] = []
        marks = {cut.last: cut for cut in (Cut(self.begin - 1), *cuts) if cut.last >= position}
        self._cuts = [marks[last] for last in sorted(marks)]

    def add(self, fetched: Fetched, now: float) -> None:
        """Append; raise OutOfStep when the fetch did not start at ``position``."""
        if fetched.start != self.position:
            raise OutOfStep(f"{self.tp}: fetched from {fetched.start}, expected {self.position}")
        if len(fetched.columns):
            self._parts.append(fetched.columns)
            self.rows += len(fetched.columns)
            self.nbytes += nbytes(fetched.columns.values)
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
        if self._cuts and self.position > self._cuts[0].last:
            return True  # all of it is there
        if self._whole:
            return False
        if self.rows >= max_rows or self.nbytes >= max_bytes:
            return True
        return self.since is not None and now - self.since >= max_delay

    def cut(self, max_rows: int, max_bytes: int, now: float) -> Block:
        """Take the next Block from the front: at most ``max_rows`` records and ``max_bytes``.

        A single record larger than ``max_bytes`` is a Block of its own. Call when ``ripe``.
        """
        waiting = Columns.joined(self._parts)
        n = len(waiting) if self._whole else self._prefix(waiting.values, max_rows, max_bytes)
        last = int(waiting.offsets[n - 1]) if n < len(waiting) else self.position - 1
        if self._cuts and last >= self._cuts[0].last:
            last = self._cuts.pop(0).last
            n = int(np.searchsorted(waiting.offsets, last, side="right"))
        taken, rest = waiting.split(n)
        self._parts = [rest] if len(rest) else []
        self.rows = len(rest)
        block = Block(
            topic=self.tp.topic,
            partition=self.tp.partition,
            first=self.first,
            last=last,
            values=taken.values,
            offsets=taken.offsets,
            timestamps=taken.timestamps,
            keys=taken.keys,
            headers=taken.headers,
            nbytes=self.nbytes if n == len(waiting) else nbytes(taken.values),
        )
        self.first = last + 1
        self.nbytes -= block.nbytes
        self.since = None if self.first >= self.position else now
        return block

    @property
    def _whole(self) -> bool:
        return bool(self._cuts) and self._cuts[0].whole

    def _prefix(self, values: Sequence[bytes | None], max_rows: int, max_bytes: int) -> int:
        n = min(len(values), max_rows)
        if self.nbytes <= max_bytes:
            return n
        total = 0
        for i in range(n):
            value = values[i]
            total += 0 if value is None else len(value)
            if total > max_bytes:
                return max(1, i)
        return n
