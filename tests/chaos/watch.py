"""Watches every partition's progress from outside, so that recovery can be timed."""

from __future__ import annotations

import threading
import time

from headrace.block import TopicPartition
from headrace.errors import Transient
from headrace.lag import Lag, LagReader
from headrace.topology import Topology

EVERY_S = 0.1


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
        self._moved: dict[TopicPartition, float] = {}
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
                    self._moved[tp] = now
            self._lags = lags

    def recovered(self, since: float) -> float | None:
        """Seconds from ``since`` until the last partition with a backlog had applied a block.

        None while some partition that is behind has not moved since.
        """
        if self._failed is not None:
            raise self._failed
        with self._lock:
            waiting = [
                tp
                for tp, lag in self._lags.items()
                if lag.behind and self._moved.get(tp, 0) < since
            ]
            if waiting or not self._lags:
                return None
            return max((at - since for at in self._moved.values()), default=0.0)

    def close(self) -> None:
        """Stop watching; raises what watching raised."""
        self._stop.set()
        self._thread.join()
        if self._failed is not None:
            raise self._failed
