"""Proves an archive: every file read, its checksums right, and its records those of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from headrace.archive.log import Log
from headrace.archive.reader import Archive
from headrace.block import Block, TopicPartition


@dataclass(frozen=True, slots=True)
class Proof:
    """What was read of a partition. ``compared`` are records that the log has as well.

    ``differs`` is the range of offsets within which archive and log are not the same.
    """

    topic: str
    partition: int
    spans: list[tuple[int, int]]
    records: int
    compared: int
    differs: tuple[int, int] | None = None

    @property
    def proven(self) -> bool:
        """Without a gap, and as the log has it."""
        return len(self.spans) <= 1 and self.differs is None

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "proven": self.proven}


def prove(archive: Archive, log: Log, tp: TopicPartition) -> Proof:
    """Read all that the archive has of a partition, and what the log still has of that.

    Of a compacted topic the log has less than the archive, which then differs. Raises Terminal,
    which names the file, for one that is damaged; Transient.
    """
    spans = archive.spans(*tp)
    begin, end = log.range(tp)
    records = compared = 0
    differs = None
    for first, last in spans:
        both = max(first, begin), min(last, end - 1)
        digest, mirror = hashlib.blake2b(), hashlib.blake2b()
        for record, offset in _records(archive.blocks(*tp, first, last)):
            records += 1
            if both[0] <= offset <= both[1]:
                digest.update(record)
                compared += 1
        for record, _ in _records(log.blocks(tp, *both)):
            mirror.update(record)
        if digest.digest() != mirror.digest():
            differs = differs or both
    return Proof(*tp, spans, records, compared, differs)


def _records(blocks: Iterator[Block]) -> Iterator[tuple[bytes, int]]:
    """Every record, with all its parts told apart, and its offset."""
    for block in blocks:
        rows = zip(
            block.offsets.tolist(), block.timestamps.tolist(), block.keys, block.values, strict=True
        )
        for index, row in enumerate(rows):
            yield repr((row, block.headers.get(index, ()))).encode(), row[0]
