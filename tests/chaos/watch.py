"""Watches every partition's progress from outside, so that recovery can be timed."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from headrace.block import TopicPartition
from headrace.errors import Transient
from headrace.lag import Lag, LagReader
from headrace.topology import Topology

EVERY_S = 0.2


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds until the first block was applied and committed, and until every partition that had
    a backlog had one. The second has the time in it that partitions wait for their turn."""

    first: float
    every: float


class Watch:
    """Polls the group's committed offsets in a thread of its own."""

    def __init__(self, kafka: str, declared: Topology) -> None:
        self._kafka = kafka
        self._group = declared.name
        self._partitions = [
            TopicPartition(t, p) for t in declared.topics for p in range(declared.partitions(t))
        ]
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._lags: dict[TopicPartition, Lag] = {}
        self._moves: dict[TopicPartition, list[float]] = defaultdict(list)
        self._failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            with LagReader(self._kafka, self._group, self._partitions) as reader:
                while not self._stop.wait(EVERY_S):
                    try:
                        lags = reader.read()
                    except Transient:
                        continue  # Kafka is away: that is one of the faults
                    self._note(lags, time.monotonic())
        except Exception as error:
            self._failed = error

    def _note(self, lags: dict[TopicPartition, Lag], now: float) -> None:
        with self._lock:
            for tp, lag in lags.items():
                before = self._lags.get(tp)
                if before is not None and (lag.committed or 0) > (before.committed or 0):
                    self._moves[tp].append(now)
            self._lags = lags

    def recovered(self, since: float, topics: Collection[str]) -> Recovery | None:
        """How long partitions of these topics took from ``since``; None while one still waits.

        One waits when it has a backlog and has applied nothing since.
        """
        if self._failed is not None:
            raise self._failed
        with self._lock:
            lags = {tp: lag for tp, lag in self._lags.items() if tp.topic in topics}
            firsts = {tp: self._first(tp, since) for tp in lags}
        found = [at - since for at in firsts.values() if at is not None]
        if not found or any(lags[tp].behind and firsts[tp] is None for tp in lags):
            return None
        return Recovery(min(found), max(found))

    def _first(self, tp: TopicPartition, since: float) -> float | None:
        """When a partition first moved after ``since``."""
        moves = self._moves[tp]
        at = bisect_right(moves, since)
        return moves[at] if at < len(moves) else None

    def close(self) -> None:
        """Stop watching; raises what watching raised."""
        self._stop.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed
