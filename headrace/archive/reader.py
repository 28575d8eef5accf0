"""Reads archived records back, and proves on the way that they are all there and as written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from headrace.archive.about import agreed
from headrace.archive.names import File
from headrace.archive.rows import SCHEMA, block_of
from headrace.archive.store import Store
from headrace.archive.sums import ProvenFile
from headrace.block import Block, TopicPartition
from headrace.errors import Terminal, Transient

COLUMNS = [name for name in SCHEMA.names if name != "event_time"]


class Archive:
    """The files below a URL. Methods raise Transient when it does not answer.

    They raise Terminal, which names the file, for one that can't be read or does not hold what it
    says it does.
    """

    def __init__(self, url: str) -> None:
        """Raises ConfigError if such a URL can't be opened."""
        self._store = Store(url)

    def partitions(self, topic: str) -> list[int]:
        """The partitions of a topic that it has anything of."""
        return sorted({file.partition for file in self._store.files(topic)})

    def spans(self, topic: str, partition: int) -> list[tuple[int, int]]:
        """The offset ranges it has, as ``(first, last)``, ascending; between two there is a gap."""
        spans: list[tuple[int, int]] = []
        for file in self.files(topic, partition):
            if spans and spans[-1][1] + 1 == file.first:
                spans[-1] = (spans[-1][0], file.last)
            else:
                spans.append((file.first, file.last))
        return spans

    def files(self, topic: str, partition: int) -> list[File]:
        """A partition's files in the order of the log. Raises Terminal if two have an offset."""
        files = [file for file in self._store.files(topic) if file.partition == partition]
        for one, other in pairwise(files):
            if other.first <= one.last:
                raise Terminal(
                    f"archive {self._store.url!r}: {one} and {other} have offsets in common: two "
                    f"'headrace archive' ran at once; remove the file that the others don't join on"
                )
        return files

    def blocks(self, topic: str, partition: int, first: int, last: int) -> Iterator[Block]:
        """Records ``[first..last]`` in offset order, in Blocks of at most 65,536.

        The Blocks join on each other and cover the range; only the last can be without a record.
        Raises Terminal when a part of the range is in no file.
        """
        tp = TopicPartition(topic, partition)
        yield from joined(tp, first, last, self._all(tp, first, last))

    def _all(self, tp: TopicPartition, first: int, last: int) -> Iterator[Block]:
        at = first
        for file in self.files(*tp):
            if file.last < at or file.first > last:
                continue
            if file.first > at:
                break
            yield from self._blocks(tp, file, at, min(last, file.last))
            at = min(last, file.last) + 1
        if at <= last:
            raise Terminal(
                f"archive {self._store.url!r}: {tp} offsets {at} to {last} are not all in it; it "
                f"has {_shown(self.spans(*tp))}"
            )

    def _blocks(self, tp: TopicPartition, file: File, first: int, last: int) -> Iterator[Block]:
        """A file's records with offsets ``[first..last]``, by its row groups.

        The Blocks have at least one record each.
        """
        with self._opened(file) as (parquet, proven):
            with _proving(file):
                sums = agreed(tp, file, parquet.metadata.num_rows, parquet.metadata.metadata)
                ends = _ends(file, parquet.metadata)
            at = first
            for group, end in enumerate(ends):
                if end < first:
                    continue
                if at > last:
                    break
                with _proving(file):
                    proven.prove(*sums[group])
                    rows = parquet.read_row_group(group, COLUMNS)
                    block = _within(tp, rows, at, min(end, last), ends[group - 1] if group else -1)
                at = block.last + 1
                if len(block):
                    yield block

    @contextmanager
    def _opened(self, file: File) -> Iterator[tuple[Any, ProvenFile]]:
        with self._store.open(file.path) as handle:
            with _proving(file):
                proven = ProvenFile(handle)
                metadata = pq.read_metadata(pa.BufferReader(proven.footer))
                parquet = pq.ParquetFile(cast(Any, proven), metadata=metadata)
            with parquet:
                yield parquet, proven


@contextmanager
def _proving(file: File) -> Iterator[None]:
    """What goes wrong in here is told of the file.

    Arrow gets only bytes whose checksum is right: whatever is damaged is a ValueError, and other
    errors are the store's.
    """
    try:
        yield
    except (pa.ArrowException, ValueError, LookupError) as error:
        raise Terminal(
            f"{file}: damaged: {error}; put back a copy of it, or remove it and archive the topic "
            f"again while Kafka still has its records"
        ) from error
    except Exception as error:  # every kind of store has errors of its own
        raise Transient(f"{file}: {error}") from error


def _ends(file: File, metadata: Any) -> list[int]:
    """The last offset of each row group. Raises ValueError if that is not told, or not so."""
    ends = []
    for group in range(metadata.num_row_groups):
        statistics = metadata.row_group(group).column(0).statistics
        if statistics is None or not statistics.has_min_max:
            raise ValueError("it has no statistics of offsets")
        ends.append(int(statistics.max))
    if ends and ends[-1] > file.last:
        raise ValueError(f"it has offset {ends[-1]}")
    return [*ends[:-1], file.last] if ends else []  # behind the last record may be marks


def _within(tp: TopicPartition, rows: pa.Table, first: int, last: int, after: int) -> Block:
    """The rows with offsets ``[first..last]``. Raises ValueError if they are not in order."""
    offsets = rows.column("offset").to_numpy()
    if (np.diff(offsets) <= 0).any() or not len(offsets) or offsets[0] <= after:
        raise ValueError("its offsets do not ascend")
    begin, end = np.searchsorted(offsets, [first, last + 1])
    return block_of(tp, first, last, rows.slice(begin, end - begin).combine_chunks())


def joined(tp: TopicPartition, first: int, last: int, blocks: Iterable[Block]) -> Iterator[Block]:
    """Blocks in offset order, each made to begin behind the one before it, up to ``last``.

    Between them must be nothing that is a record.
    """
    at = first
    for block in blocks:
        yield block if block.first == at else replace(block, first=at)
        at = block.last + 1
    if at <= last:
        none = np.empty(0, np.int64)
        yield Block(tp.topic, tp.partition, at, last, [], none, none, [])


def _shown(spans: list[tuple[int, int]]) -> str:
    return ", ".join(f"{first} to {last}" for first, last in spans) or "nothing of it"
