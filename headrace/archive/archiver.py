"""Copies topics into the archive, to where they end now or for as long as it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from headrace.archive.cut import Cut
from headrace.archive.log import Log, lost
from headrace.archive.reader import Archive
from headrace.archive.store import Store
from headrace.archive.times import EventTimes
from headrace.archive.writer import PartitionWriter
from headrace.block import Block, TopicPartition
from headrace.clock import Clock
from headrace.errors import Terminal


@dataclass(slots=True)
class Progress:
    """What was done so far. ``left`` are offsets up to where the log ended when this began."""

    records: int = 0
    nbytes: int = 0
    files: int = 0
    left: int = 0


class Archiver:
    """One process archives a topic at a time. Methods raise Transient, ConfigError, Terminal."""

    def __init__(
        self,
        url: str,
        log: Log,
        cut: Cut,
        clock: Clock,
        event_times: Mapping[str, EventTimes] | None = None,
    ) -> None:
        """``event_times`` by topic, for those whose events' times are to be known."""
        self._store = Store(url)
        self._archive = Archive(url)
        self._log = log
        self._cut = cut
        self._clock = clock
        self._event_times = event_times or {}
        self._writers: dict[TopicPartition, PartitionWriter] = {}
        self._ends: dict[TopicPartition, int] = {}
        #: When the open file of a partition was begun, by its first offset.
        self._since: dict[TopicPartition, tuple[int, float]] = {}
        self.progress = Progress()

    def start(self, topics: Iterable[str], *, skip_lost: bool = False) -> None:
        """Find where each partition goes on, and remove what a killed predecessor left unfinished.

        Raises Terminal if retention has removed what comes next, unless ``skip_lost``: then the
        archive has a gap there, which its readers will name.
        """
        for topic in topics:
            self._store.sweep(topic)
            times = self._event_times.get(topic)
            for tp in self._log.partitions(topic):
                begin, end = self._log.range(tp)
                position = self._position(tp, begin, end, skip_lost)
                self._ends[tp] = end
                self._writers[tp] = PartitionWriter(
                    self._store, tp, position, self._cut, times.of if times else None
                )
                self.progress.left += max(end - position, 0)

    def _position(self, tp: TopicPartition, begin: int, end: int, skip_lost: bool) -> int:
        spans = self._archive.spans(*tp)
        if not spans:
            return begin
        position = spans[-1][1] + 1
        if position > end:
            raise Terminal(
                f"{tp}: the archive goes to offset {position - 1}, the log ends at {end}: the "
                f"topic was made anew; archive it to another url"
            )
        if position < begin and not skip_lost:
            raise Terminal(
                f"{lost(tp, position, begin)} before they were archived; with --skip-lost the "
                f"archive goes on at {begin}, and readers of that range will be told"
            )
        return max(position, begin)

    def run(
        self, stop: threading.Event, *, follow: bool, tell: Callable[[Progress], None]
    ) -> Progress:
        """Archive to where the topics ended at ``start``, or until ``stop`` is set.

        What is open at the end is placed as it is. ``tell`` is called after every read.
        """
        try:
            self._run(stop, follow, tell)
            for writer in self._writers.values():
                self.progress.files += len(writer.finish())
        except BaseException:
            for writer in self._writers.values():
                writer.abandon()
            raise
        tell(self.progress)
        return self.progress

    def _run(self, stop: threading.Event, follow: bool, tell: Callable[[Progress], None]) -> None:
        open_ = {
            tp: writer.position
            for tp, writer in self._writers.items()
            if follow or writer.position < self._ends[tp]
        }
        if not open_:
            return
        for read in self._log.read(open_):
            if read is not None and read.block is not None and read.tp in open_:
                self._take(read.block)
            if read is not None and not follow:
                reached = read.end if read.block is None else read.block.last + 1
                if reached is not None and reached >= self._ends[read.tp]:
                    open_.pop(read.tp, None)
            if follow:
                self._place_old()
            tell(self.progress)
            if stop.is_set() or not open_:
                return

    def _take(self, block: Block) -> None:
        writer = self._writers[block.tp]
        self.progress.left -= max(min(block.last + 1, self._ends[block.tp]) - writer.position, 0)
        self.progress.records += len(block)
        self.progress.nbytes += block.nbytes
        self.progress.files += len(writer.take(block))

    def _place_old(self) -> None:
        """A file takes no longer than the stretch of time that it begins in, also when all rest."""
        now = self._clock.monotonic()
        for tp, writer in self._writers.items():
            if writer.placed == writer.position:
                self._since.pop(tp, None)
                continue
            first, since = self._since.get(tp, (-1, now))
            if first != writer.placed:
                self._since[tp] = (writer.placed, now)
            elif (now - since) * 1000 >= self._cut.slot_ms:
                self.progress.files += len(writer.finish())
