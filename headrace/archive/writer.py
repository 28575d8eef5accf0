"""Writes one partition's records into files, each offset into exactly one of them."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from headrace.archive import names
from headrace.archive.about import describe
from headrace.archive.cut import Cut, Room, sizes
from headrace.archive.names import File
from headrace.archive.rows import SCHEMA, table_of
from headrace.archive.store import Store
from headrace.archive.sums import SummedFile
from headrace.block import Block, TopicPartition
from headrace.errors import Terminal

#: Values are all different: a dictionary of them would only cost time.
_OPTIONS: dict[str, Any] = {
    "compression": "zstd",
    "write_page_checksum": True,
    "use_dictionary": ["key"],
    "write_statistics": ["offset", "timestamp", "event_time"],
}


class PartitionWriter:
    """Takes a partition's blocks in the order of the log, from ``position`` on.

    Files are a function of the records and of ``position``: who repeats after a crash writes the
    same ones. Only ``finish`` ends a file early. One writer a partition: when another one has
    placed a file of the same offsets, ``take`` and ``finish`` raise Terminal.
    """

    def __init__(
        self,
        store: Store,
        tp: TopicPartition,
        position: int,
        cut: Cut,
        event_times: Callable[[Block], Any] | None = None,
        folder: str | None = None,
    ) -> None:
        """``folder`` is that of the partition's last file, if it has one."""
        self._store = store
        self._tp = tp
        self._cut = cut
        self._event_times = event_times
        self._folder = folder
        #: Behind the last record that is in a file which has its name.
        self.placed = position
        #: Behind the last record taken, and what came after it that is none.
        self.position = position
        self._open: _Open | None = None

    def take(self, block: Block) -> list[File]:
        """Records that come next; returns the files that they complete. Raises Transient, Terminal.

        After an error nothing more can be taken: begin again at what the archive holds.
        """
        if block.first != self.position:
            raise Terminal(f"{block}: not what follows: {self._tp} is at {self.position}")
        placed: list[File] = []
        weights = sizes(block)
        times = None if self._event_times is None else self._event_times(block)
        begin = 0
        while begin < len(block):
            file = self._open or self._begin(block, begin)
            end = file.room.fitting(block, begin, weights)
            if end > begin:
                nbytes = int(weights[begin:end].sum())
                file.add(block, begin, end, nbytes, None if times is None else times[begin:end])
            if end == begin or file.room.full:
                placed.append(self._place(file))
            begin = end
        self.position = block.last + 1
        return placed

    def reach(self, end: int) -> None:
        """Between ``position`` and ``end`` is nothing but the marks of transactions and gaps."""
        self.position = max(self.position, end)

    def finish(self) -> list[File]:
        """Place the open file as it is, up to ``position``.

        Where only marks follow the last file, that is a file without rows: else retention would
        take them and nobody could tell any more that they were no records.
        """
        if self._open is None and self.placed < self.position and self._folder is not None:
            self._open = _Open(
                self._store, self._tp, self._folder, self.placed, Room(self._cut, slot=0)
            )
        if self._open is None:
            return []
        self._open.reach(self.position - 1)
        return [self._place(self._open)]

    def abandon(self) -> None:
        """Remove the open file; what it has is to be read from the log again."""
        if self._open is not None:
            self._open.abandon()
            self._open = None

    def _begin(self, block: Block, index: int) -> _Open:
        slot = self._cut.slot(int(block.timestamps[index]))
        self._folder = names.folder(self._tp.topic, slot)
        self._open = _Open(self._store, self._tp, self._folder, self.placed, Room(self._cut, slot))
        return self._open

    def _place(self, open_: _Open) -> File:
        """Who begins at the same offset writes to the same folder: a look there finds him."""
        file = open_.close()
        for other in self._store.beside(open_.folder):
            if other.partition == file.partition and other.last >= file.first <= other.first:
                open_.abandon()
                raise Terminal(
                    f"archive {self._store.url!r}: {other} is there already and has offsets of "
                    f"{file}: another 'headrace archive' writes this topic; let one of them run"
                )
        self._store.place(open_.path, file)
        self.placed = file.last + 1
        self._open = None
        return file


class _Open:
    """A file that is being written, under a name that readers pass over."""

    def __init__(
        self, store: Store, tp: TopicPartition, folder: str, first: int, room: Room
    ) -> None:
        self.folder = folder
        self.room = room
        self.path = names.unfinished(folder, tp.partition, first, secrets.token_hex(4))
        self._store = store
        self._tp = tp
        self._first = first
        self._last = first - 1
        self._group: list[pa.Table] = []
        self._file: Any = store.create(self.path)
        self._summed = SummedFile(self._file)
        self._writer = pq.ParquetWriter(cast(Any, self._summed), SCHEMA, **_OPTIONS)

    def add(self, block: Block, begin: int, end: int, nbytes: int, event_times: Any) -> None:
        """Records ``[begin, end)`` of the block, which fit."""
        self._group.append(table_of(block, begin, end, event_times))
        self._last = int(block.offsets[end - 1])
        self.room.take(end - begin, nbytes)
        if self.room.group_full:
            self._write()

    def reach(self, last: int) -> None:
        """What is between the last record and this offset is none."""
        self._last = max(self._last, last)

    def _write(self) -> None:
        if self._group:
            table = pa.concat_tables(self._group)
            self._writer.write_table(table, row_group_size=table.num_rows)
            self._summed.group_ends()
            self._group = []
            self.room.next_group()

    def close(self) -> File:
        """Write the rest and the footer, which says what the file has to hold."""
        self._write()
        file = names.finished(self.folder, self._tp.partition, self._first, self._last)
        about = describe(self._tp, file, self.room.rows, self._summed.sums)
        self._writer.add_key_value_metadata(about)
        self._summed.footer_begins()
        self._writer.close()
        self._summed.close()
        self._file.close()
        return file

    def abandon(self) -> None:
        """Remove it."""
        self._writer.close()
        self._file.close()
        self._store.remove(self.path)
