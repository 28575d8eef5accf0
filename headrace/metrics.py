"""What a worker measures about itself: one list of names, and a snapshot for others to read."""

from __future__ import annotations

import os
import resource
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import orjson

from headrace.block import Block
from headrace.frame import Bad

if TYPE_CHECKING:
    from headrace.delivery.job import Outcome

#: Upper bounds of the freshness histogram in ms: 1 ms to about 35 min, 10 % apart.
BOUNDS = np.unique(np.round(1.1 ** np.arange(0, 153)).astype(np.int64))


class Histogram:
    """Counts by bucket of BOUNDS; quantiles are upper bounds, at most 10 % above the truth."""

    def __init__(self, counts: Sequence[int] | None = None) -> None:
        size = len(BOUNDS) + 1
        self.counts: npt.NDArray[np.int64] = (
            np.zeros(size, np.int64) if counts is None else np.asarray(counts, np.int64)
        )

    def add(self, values_ms: npt.NDArray[np.int64]) -> None:
        """Count values in ms; negative ones (clock skew) count as 0."""
        buckets = np.searchsorted(BOUNDS, np.maximum(values_ms, 0), side="left")
        self.counts += np.bincount(buckets, minlength=len(self.counts))

    def quantile(self, q: float) -> int | None:
        """The bound that at least a share ``q`` of the values does not exceed; None if empty."""
        total = int(self.counts.sum())
        if total == 0:
            return None
        at = int(np.searchsorted(np.cumsum(self.counts), q * total, side="left"))
        return int(BOUNDS[min(at, len(BOUNDS) - 1)])


class Metrics:
    """Counters of one worker, in the order in which they are documented here.

    events           records decoded and delivered, by topic
    blocks           blocks delivered, by topic
    dead_letters     records set aside, by topic and step
    duplicates       records dropped as repeats of an earlier one, by topic
    rules            records that fail a rule, by topic and rule
    rows             rows written to ClickHouse, by table
    position         next offset to deliver, by partition
    sink_seconds     time spent in a sink's apply, by sink
    sink_retries     attempts that failed for now, by sink
    freshness        ms from produced (record timestamp) to visible in the sink, by sink
    rebalances       assignments received
    """

    def __init__(self) -> None:
        self.events: Counter[str] = Counter()
        self.blocks: Counter[str] = Counter()
        self.dead_letters: Counter[str] = Counter()
        self.duplicates: Counter[str] = Counter()
        self.rules: Counter[str] = Counter()
        self.rows: Counter[str] = Counter()
        self.position: dict[str, int] = {}
        self.sink_seconds: Counter[str] = Counter()
        self.sink_retries: Counter[str] = Counter()
        self.freshness: dict[str, Histogram] = {}
        self.rebalances = 0

    def block_done(self, block: Block, outcome: Outcome, now_ms: int) -> None:
        self.events[block.topic] += outcome.events
        self.duplicates[block.topic] += outcome.repeats
        for rule, count in outcome.failed.items():
            self.rules[f"{block.topic} {rule}"] += count
        self.blocks[block.topic] += 1
        self.position[str(block.tp)] = block.last + 1
        for rows in outcome.writes.rows:
            self.rows[rows.table] += rows.frame.height

    def dead_lettered(self, block: Block, bad: Sequence[Bad]) -> None:
        for entry in bad:
            self.dead_letters[f"{block.topic} {entry.step}"] += 1

    def sink_applied(self, sink: str, block: Block, now_ms: int, seconds: float) -> None:
        self.sink_seconds[sink] += seconds  # type: ignore[assignment]
        histogram = self.freshness.setdefault(sink, Histogram())
        if len(block):
            histogram.add(now_ms - block.timestamps)

    def sink_retried(self, sink: str) -> None:
        self.sink_retries[sink] += 1

    def snapshot(self) -> dict[str, Any]:
        """All counters as JSON-ready values, with the process's CPU seconds and peak memory."""
        usage = resource.getrusage(resource.RUSAGE_SELF)
        return {
            "pid": os.getpid(),
            "events": dict(self.events),
            "blocks": dict(self.blocks),
            "dead_letters": dict(self.dead_letters),
            "duplicates": dict(self.duplicates),
            "rules": dict(self.rules),
            "rows": dict(self.rows),
            "position": dict(self.position),
            "sink_seconds": dict(self.sink_seconds),
            "sink_retries": dict(self.sink_retries),
            "freshness": {name: h.counts.tolist() for name, h in self.freshness.items()},
            "rebalances": self.rebalances,
            "cpu_seconds": usage.ru_utime + usage.ru_stime,
            "peak_rss_bytes": usage.ru_maxrss * 1024,
        }

    def write(self, path: Path) -> None:
        """Write the snapshot so that a reader never sees half of it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
            file.write(orjson.dumps(self.snapshot()))
        os.replace(file.name, path)
