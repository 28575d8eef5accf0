"""The workers' snapshots added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import orjson

from headrace.metrics import Histogram


@dataclass
class Numbers:
    """Totals over all workers since they started."""

    events: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    freshness: dict[str, Histogram] = field(default_factory=dict)

    @classmethod
    def read(cls, folder: Path) -> Numbers:
        """Add up the snapshots in a folder; workers that have not written yet count nothing."""
        total = cls()
        for path in sorted(folder.glob("*.json")):
            snapshot = orjson.loads(path.read_bytes())
            total.events += sum(snapshot["events"].values())
            total.rows += sum(snapshot["rows"].values())
            total.dead_letters.update(snapshot["dead_letters"])
            total.retries.update(snapshot["sink_retries"])
            for sink, counts in snapshot["freshness"].items():
                histogram = total.freshness.setdefault(sink, Histogram())
                histogram.counts += Histogram(counts).counts
        return total

    def freshness_ms(self) -> dict[str, dict[str, int | None]]:
        """p50, p95 and p99 by sink, in ms from produced to visible."""
        return {
            sink: {f"p{round(q * 100)}": h.quantile(q) for q in (0.5, 0.95, 0.99)}
            for sink, h in sorted(self.freshness.items())
        }
