"""All that was ever committed to a partition: the archive's records, then the log's."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.archive.log import Log
from headrace.archive.reader import Archive, joined
from headrace.block import Block, TopicPartition
from headrace.closing import Closing


class History(Closing):
    """Archive and log as one. Methods raise Transient, ConfigError, and Terminal.

    What both have is read from the archive. Terminal names the range that neither of them has, or
    the archive's file that is damaged.
    """

    def __init__(self, archive: Archive | None, bootstrap: str) -> None:
        self._archive = archive
        self._log = Log(bootstrap)

    def close(self) -> None:
        """Disconnect."""
        self._log.close()

    def partitions(self, topic: str) -> list[TopicPartition]:
        """A topic's partitions."""
        return self._log.partitions(topic)

    def begin(self, tp: TopicPartition) -> int:
        """The first offset from which on nothing is missing.

        That is where the archive begins, if it joins on to the log without a gap; else behind the
        last gap. Nothing is there at all if it is ``end``.
        """
        begin, _ = self._log.range(tp)
        for first, last in reversed(self._spans(tp)):
            if first < begin <= last + 1:
                begin = first
        return begin

    def end(self, tp: TopicPartition) -> int:
        """Behind what is committed now. The archive never has more than the log had."""
        return self._log.range(tp)[1]

    def blocks(self, tp: TopicPartition, first: int, last: int) -> Iterator[Block]:
        """Records ``[first..last]`` in offset order, each once, in Blocks of at most 65,536.

        The Blocks join on each other and cover the range; only the last can be without a record.
        ``last`` must lie before ``end``.
        """
        yield from joined(tp, first, last, self._all(tp, first, last))

    def _all(self, tp: TopicPartition, first: int, last: int) -> Iterator[Block]:
        at = first
        for begin, end in self._spans(tp):
            if self._archive is None or at > last or end < at:
                continue
            if begin > at:
                break
            until = min(end, last)
            yield from self._archive.blocks(*tp, at, until)
            at = until + 1
        if at > last:
            return
        yield from self._log.blocks(tp, at, last)

    def _spans(self, tp: TopicPartition) -> list[tuple[int, int]]:
        return [] if self._archive is None else self._archive.spans(*tp)
