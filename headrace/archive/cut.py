"""Where one file ends and the next begins: said by the records alone, so it can be repeated."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from headrace.block import Block
from headrace.topology.archive import Archive as Declared

HOUR_MS = 3_600_000
#: A row group is written when it has so many rows or bytes: what is in memory of an open file.
GROUP_ROWS = 65_536
GROUP_BYTES = 4 << 20


@dataclass(frozen=True, slots=True)
class Cut:
    """Most rows and bytes (of keys and values) of a file, and the stretch of time it begins in."""

    rows: int
    nbytes: int
    slot_ms: int
    group_rows: int = GROUP_ROWS
    group_bytes: int = GROUP_BYTES

    @classmethod
    def of(cls, declared: Declared) -> Cut:
        """As the topology says."""
        return cls(
            declared.rows_per_file, declared.bytes_per_file, declared.hours_per_file * HOUR_MS
        )

    def slot(self, timestamp_ms: int) -> int:
        """The beginning of the stretch of time that a timestamp lies in, ms since 1970."""
        return timestamp_ms // self.slot_ms * self.slot_ms


@dataclass(slots=True)
class Room:
    """What still fits into a file and its open row group."""

    cut: Cut
    slot: int
    rows: int = 0
    nbytes: int = 0
    group_rows: int = 0
    group_bytes: int = 0

    @property
    def full(self) -> bool:
        """Whether the file takes no more."""
        return self.rows >= self.cut.rows or self.nbytes >= self.cut.nbytes

    @property
    def group_full(self) -> bool:
        """Whether the row group takes no more."""
        return (
            self.full
            or self.group_rows >= self.cut.group_rows
            or self.group_bytes >= self.cut.group_bytes
        )

    def fitting(self, block: Block, begin: int, sizes: np.ndarray) -> int:
        """Up to which record (exclusive) those from ``begin`` on go into the open row group.

        ``begin`` itself if it is of a later stretch of time. A record older than the file's
        stretch goes into the file: they are late, and files follow the log. The record that
        exceeds the bytes is the last one.
        """
        most = min(self.cut.rows - self.rows, self.cut.group_rows - self.group_rows)
        end = min(len(block), begin + most)
        later = np.flatnonzero(block.timestamps[begin:end] >= self.slot + self.cut.slot_ms)
        if len(later):
            end = begin + int(later[0])
        left = min(self.cut.nbytes - self.nbytes, self.cut.group_bytes - self.group_bytes)
        within = int(np.searchsorted(np.cumsum(sizes[begin:end]), left)) + 1
        return min(end, begin + within)

    def take(self, rows: int, nbytes: int) -> None:
        """Records that went in."""
        self.rows += rows
        self.nbytes += nbytes
        self.group_rows += rows
        self.group_bytes += nbytes

    def next_group(self) -> None:
        """The row group was written."""
        self.group_rows = self.group_bytes = 0


def sizes(block: Block) -> np.ndarray:
    """Bytes of each record's key and value."""
    return np.array(
        [len(k or b"") + len(v or b"") for k, v in zip(block.keys, block.values, strict=True)],
        np.int64,
    )
