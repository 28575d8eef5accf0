"""Copies the log before the cuts into a version: partitions side by side, each in order."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from itertools import groupby

import polars as pl

from headrace.archive.history import History
from headrace.block import Block
from headrace.delivery.crash import point
from headrace.delivery.seen import Seen
from headrace.errors import Terminal
from headrace.replay.build import Build, Span
from headrace.replay.source import Offsets, Source
from headrace.replay.store import Store
from headrace.sink import BlockRange


class Pace:
    """Holds all threads together to a number of offsets a second; 0: none."""

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._free_at = 0.0
        self._lock = threading.Lock()

    def take(self, offsets: int, stop: threading.Event) -> None:
        """Wait for the turn of so many."""
        if not self._per_second:
            return
        with self._lock:
            start = max(self._free_at, time.monotonic())
            self._free_at = start + offsets / self._per_second
        stop.wait(max(start - time.monotonic(), 0))


@dataclass(frozen=True, slots=True)
class Copying:
    """One version's copying. ``open_log`` makes a reader of history; ``told`` gets offsets that
    are in, and whether that is new."""

    store: Store
    build: Build
    sources: Mapping[str, Source]
    aside: Mapping[str, Offsets]
    open_log: Callable[[], History]
    told: Callable[[int, bool], None]
    pace: Pace
    stop: threading.Event

    def run(self, parallel: int) -> None:
        """Copy what is not yet in the version.

        Memory: ``parallel`` times a range of records. Raises what reading, rules or inserting
        raises; what was done until then stays done.
        """
        finished = self.store.journal.finished(self.build.version)
        self._check(finished)
        with ThreadPoolExecutor(parallel, thread_name_prefix="replay") as executor:
            running = [
                executor.submit(self._partition, span, finished) for span in self.build.spans
            ]
            try:
                for one in as_completed(running):
                    one.result()
            except BaseException:
                self.stop.set()
                raise

    def _check(self, finished: Mapping[BlockRange, int]) -> None:
        """A range that may have arrived is repeated: the version must still know that it has it."""
        since = max(finished.values(), default=0)
        came = self.store.blocks(self.build.version) - since
        if came > self.store.memory():
            raise Terminal(
                f"version {self.build.version} took {came:,} blocks since the replay was last at "
                f"work, so it can't be told any more whether it has the ranges that were on their "
                f"way then: drop it with '--discard' and begin again"
            )

    def _partition(self, span: Span, finished: Mapping[BlockRange, int]) -> None:
        source = self.sources[span.topic]
        ranges = list(self.build.ranges(span))
        left = [part for part in ranges if part not in finished]
        self.told(sum(map(_size, ranges)) - sum(map(_size, left)), False)
        if not left:
            return
        with self.open_log() as log:
            first = left[0].first
            seen, since = Seen(max(source.window, 1)).at(first)
            since = max(since, log.begin(span.tp))
            if source.window and since < first:
                for block in log.blocks(span.tp, since, first - 1):
                    source.recall(block, seen)
            blocks = _cut(log.blocks(span.tp, first, span.cut - 1), iter(ranges))
            for part, pieces in groupby(blocks, key=lambda pair: pair[0]):
                if self.stop.is_set():
                    return
                self.pace.take(_size(part), self.stop)
                self._insert(source, part, (block for _, block in pieces), seen, finished)
                ranges = ranges[ranges.index(part) + 1 :]
            for part in ranges:  # an end without records: markers of transactions
                self._finish(part)

    def _insert(
        self,
        source: Source,
        part: BlockRange,
        blocks: Iterator[Block],
        seen: Seen,
        finished: Mapping[BlockRange, int],
    ) -> None:
        if part in finished:
            for block in blocks:
                source.recall(block, seen)
            return
        rows: dict[str, list[pl.DataFrame]] = {}
        for block in blocks:
            for table, frame in source.rows(block, seen, self.aside[source.topic]).items():
                rows.setdefault(table, []).append(frame)
        for table, frames in rows.items():
            frame = pl.concat(frames)
            if frame.height:
                self.store.insert(self.build.version, table, part, frame)
        point("replay_inserted")
        self._finish(part)

    def _finish(self, part: BlockRange) -> None:
        version = self.build.version
        self.store.journal.finish(version, part, self.store.blocks(version))
        point("replay_noted")
        self.told(_size(part), True)


def _size(part: BlockRange) -> int:
    return part.last - part.first + 1


def _cut(
    blocks: Iterator[Block], ranges: Iterator[BlockRange]
) -> Iterator[tuple[BlockRange, Block]]:
    """The blocks, cut so that each lies in one range, with that range."""
    part = next(ranges)
    for whole in blocks:
        while part.last < whole.first:
            part = next(ranges)
        block = whole
        while block.last > part.last:
            head, block = block.split(part.last)
            yield part, head
            part = next(ranges)
        yield part, block
