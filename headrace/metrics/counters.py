"""Counters of one worker, and a snapshot of them for others to read."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import psutil

from headrace.metrics.histogram import Histogram
from headrace.metrics.reasons import Reasons

if TYPE_CHECKING:
    from headrace.block import Block
    from headrace.delivery.job import Outcome
    from headrace.frame import Bad

#: Errors kept by topic.
ERRORS = 10
#: Freshness is told of so many seconds.
RECENT_S = 60


class LastError(TypedDict):
    """A record that was set aside; ``reason`` is its class, without what the record holds."""

    at: int
    topic: str
    partition: int
    offset: int
    step: str
    agent: str
    reason: str


class Metrics:
    """What ``headrace.metrics.listed.WORKER`` lists, by the names of its fields.

    The event loop alone writes, once a block; other threads may read at any time. A key of a
    counter is its labels' values with a space between.
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.blocks: Counter[str] = Counter()
        self.block_bytes: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.emitted: Counter[str] = Counter()
        self.timers: Counter[str] = Counter()
        self.sink_apply: dict[str, Histogram] = {}
        self.sink_retries: Counter[str] = Counter()
        self.freshness: dict[str, Histogram] = {}
        self.replays: Counter[str] = Counter()
        self.commit_retries = 0
        self.rebalances = 0
        self.dead_letter_ratio = 0.0
        #: Whether the group has told this worker what is its: it may be nothing.
        self.joined = False
        self.assigned = 0
        self.paused = 0
        self.held_bytes = 0
        #: By partition: the next offset to deliver, and the log's as of the last block cut.
        self.position: dict[str, int] = {}
        self.ends: dict[str, int] = {}
        #: Since when (ms) a service has failed each time it was asked.
        self.failing: dict[str, int] = {}
        self.last_errors: dict[str, deque[LastError]] = {}
        self._reasons = Reasons()
        self._process = psutil.Process()
        self._recent: deque[tuple[float, dict[str, Histogram]]] = deque()

    # -- what happens ----------------------------------------------------------------------------

    def took(self, partitions: int) -> None:
        """A new assignment; nothing is told of partitions of the one before any more."""
        self.rebalances += 1
        self.joined = True
        self.assigned = partitions
        self.position.clear()
        self.ends.clear()

    def gave_up(self) -> None:
        """The group is rebalancing: partitions were taken away."""
        self.joined = False
        self.assigned = 0

    def block_done(self, block: Block, outcome: Outcome) -> None:
        topic = block.topic
        self.events[topic] += outcome.events
        self.duplicates[topic] += outcome.repeats
        for rule, count in outcome.failed.items():
            self.rules[f"{topic} {rule}"] += count
        self.blocks[topic] += 1
        self.block_bytes[topic] += block.nbytes
        self.position[f"{topic} {block.partition}"] = block.last + 1
        for rows in outcome.writes.rows:
            self.rows[rows.table] += rows.frame.height

    def dead_lettered(self, block: Block, bad: Sequence[Bad], now_ms: int) -> None:
        errors = self.last_errors.setdefault(block.topic, deque(maxlen=ERRORS))
        for entry in bad:
            reason = self._reasons.of(entry)
            self.dead_letters[f"{block.topic} {entry.step} {reason}"] += 1
            errors.append(
                LastError(
                    at=now_ms,
                    topic=block.topic,
                    partition=block.partition,
                    offset=int(block.offsets[entry.index]),
                    step=entry.step,
                    agent=entry.agent,
                    reason=reason,
                )
            )

    def sink_applied(self, sink: str, block: Block, now_ms: int, seconds: float) -> None:
        self.failing.pop(sink, None)
        self.sink_apply.setdefault(sink, Histogram()).add(np.array([round(seconds * 1000)]))
        histogram = self.freshness.setdefault(sink, Histogram())
        if len(block):
            histogram.add(now_ms - block.timestamps)

    def sink_retried(self, sink: str, now_ms: int) -> None:
        self.sink_retries[sink] += 1
        self.failing.setdefault(sink, now_ms)

    def committed(self) -> None:
        self.failing.pop("kafka", None)

    def commit_retried(self, now_ms: int) -> None:
        self.commit_retries += 1
        self.failing.setdefault("kafka", now_ms)

    # -- what is read ----------------------------------------------------------------------------

    @property
    def lag(self) -> dict[str, int]:
        """Offsets in the log and not delivered, by partition."""
        done, ends = dict(self.position), dict(self.ends)
        return {tp: max(0, ends[tp] - done[tp]) for tp in ends.keys() & done.keys()}

    @property
    def rss_bytes(self) -> int:
        """Resident memory."""
        return int(self._process.memory_info().rss)

    @property
    def cpu_seconds(self) -> float:
        """CPU time, user and system."""
        times = self._process.cpu_times()
        return float(times.user + times.system)

    @property
    def uptime_s(self) -> float:
        """Seconds since the process started."""
        return max(0.0, time.time() - self._process.create_time())

    def snapshot(self, now_s: float) -> dict[str, Any]:
        """All counters as JSON-ready values; ``now_s`` is monotonic.

        ``freshness`` is since the start, ``recent`` of the last minute, if this is called about
        once a second.
        """
        recent = self._last_minute(now_s)
        return {
            "events": dict(self.events),
            "blocks": dict(self.blocks),
            "dead_letters": dict(self.dead_letters),
            "duplicates": dict(self.duplicates),
            "rules": dict(self.rules),
            "rows": dict(self.rows),
            "emitted": dict(self.emitted),
            "timers": dict(self.timers),
            "position": dict(self.position),
            "sink_seconds": {sink: h.sum_ms / 1000 for sink, h in self.sink_apply.items()},
            "sink_retries": dict(self.sink_retries),
            "freshness": {sink: h.counts.tolist() for sink, h in self.freshness.items()},
            "recent": {sink: h.counts.tolist() for sink, h in recent.items()},
            "rebalances": self.rebalances,
            "replays": dict(self.replays),
            "assigned": self.assigned,
            "paused": self.paused,
            "held_bytes": self.held_bytes,
            "dead_letter_ratio": self.dead_letter_ratio,
            "failing": dict(self.failing),
            "last_errors": {topic: list(errors) for topic, errors in self.last_errors.items()},
            "cpu_seconds": self.cpu_seconds,
            "rss_bytes": self.rss_bytes,
            "uptime_s": self.uptime_s,
        }

    def _last_minute(self, now_s: float) -> dict[str, Histogram]:
        self._recent.append((now_s, {s: Histogram(h.counts) for s, h in self.freshness.items()}))
        while self._recent[0][0] < now_s - RECENT_S:
            self._recent.popleft()
        before = self._recent[0][1]
        return {
            sink: Histogram(h.counts - before.get(sink, Histogram()).counts)
            for sink, h in self.freshness.items()
        }
