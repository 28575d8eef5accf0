"""Up to which minute everything is in: what is behind is never taken for a drop."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Protocol

from headrace.block import TopicPartition
from headrace.clock import Clock
from headrace.lag import Lag

MINUTE_MS: Final = 60_000


class Progress(Protocol):
    """Tells which minutes are complete."""

    def complete(self, newest: int | None) -> int | None:
        """The last complete minute since the epoch; None while there is none.

        ``newest`` is the last minute that the views have anything of.
        """


class ByEvents:
    """For event time that does not follow the wall clock: a minute is complete when there are
    events so many minutes after it. When nothing comes any more, nothing is judged any more."""

    def __init__(self, lateness: int) -> None:
        self._lateness = lateness

    def complete(self, newest: int | None) -> int | None:
        return None if newest is None else newest - 1 - self._lateness


class ByPositions:
    """For event time that is about now: a minute is complete when, so many minutes after its end,
    the log's end was seen at some offsets and the workers have since committed all before them.

    So minutes without any event are judged, too, and a pipeline that is behind only delays.
    """

    def __init__(
        self, lateness: int, clock: Clock, read: Callable[[], Mapping[TopicPartition, Lag]]
    ) -> None:
        self._lateness_ms = lateness * MINUTE_MS
        self._clock = clock
        self._read = read
        self._seen_ms = 0
        self._ends: Mapping[TopicPartition, int] | None = None
        self._reached_ms: int | None = None

    def complete(self, newest: int | None) -> int | None:
        """Raises Transient when Kafka does not answer."""
        now = self._clock.now_ms()
        lags = self._read()
        if self._ends is None:
            self._seen_ms, self._ends = now, {tp: lag.end for tp, lag in lags.items()}
        if all(_passed(lags[tp]) >= end for tp, end in self._ends.items()):
            self._reached_ms = self._seen_ms
            self._ends = None
        if self._reached_ms is None:
            return None
        return (self._reached_ms - self._lateness_ms) // MINUTE_MS - 1


def _passed(lag: Lag) -> int:
    """The offset before which all is applied, or retention has removed it."""
    return max(lag.begin, lag.committed or 0)
