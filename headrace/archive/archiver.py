"""Copies topics into the archive, to where they end now or for as long as it runs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.archive.cut import Cut
from headrace.archive.log import PATIENCE_S, Log, Read, lost
from headrace.archive.names import File
from headrace.archive.reader import Archive
from headrace.archive.store import Store
from headrace.archive.times import EventTimes
from headrace.archive.writer import PartitionWriter
from headrace.block import TopicPartition
from headrace.clock import Clock
from headrace.errors import Terminal, Transient


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
                files = self._archive.files(*tp)
                position = _position(tp, files, begin, end, skip_lost)
                self._ends[tp] = end
                self._writers[tp] = PartitionWriter(
                    self._store, tp, position, self._cut, times.of if times else None,
                    folder=files[-1].path.rpartition("/")[0] if files else None,
                )  # fmt: skip
                self.progress.left += max(end - position, 0)

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
        heard = self._clock.monotonic()
        for read in self._log.read(open_):
            if read is not None:
                heard = self._clock.monotonic()
                if read.tp in open_:
                    self._take(read)
                if not follow and self._writers[read.tp].position >= self._ends[read.tp]:
                    open_.pop(read.tp, None)
            elif not follow and self._clock.monotonic() - heard > PATIENCE_S:
                raise Transient(f"Kafka did not answer for {PATIENCE_S:.0f} s")
            if follow:
                self._place_old()
            tell(self.progress)
            if stop.is_set() or not open_:
                return

    def _take(self, read: Read) -> None:
        writer, block = self._writers[read.tp], read.block
        before = writer.position
        if block is None:
            writer.reach(read.end or 0)
        else:
            self.progress.records += len(block)
            self.progress.nbytes += block.nbytes
            self.progress.files += len(writer.take(block))
        done = min(writer.position, self._ends[read.tp]) - before
        self.progress.left -= max(done, 0)

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


def _position(
    tp: TopicPartition, files: Sequence[File], begin: int, end: int, skip_lost: bool
) -> int:
    """Where a partition goes on, given its files and the log's range ``[begin, end)``."""
    if not files:
        return begin
    position = files[-1].last + 1
    if position > end:
        raise Terminal(
            f"{tp}: the archive goes to offset {position - 1}, the log ends at {end}: the topic "
            f"was made anew; archive it to another url"
        )
    if position < begin and not skip_lost:
        raise Terminal(
            f"{lost(tp, position, begin)} before they were archived; with --skip-lost the archive "
            f"goes on at {begin}, and readers of that range will be told"
        )
    return max(position, begin)
