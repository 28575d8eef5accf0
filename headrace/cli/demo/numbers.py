"""The workers' numbers added up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from headrace.metrics import Histogram
from headrace.worker_state import WorkerState


@dataclass
class Numbers:
    """Totals over all workers since they started."""

    events: int = 0
    dead_letters: Counter[str] = field(default_factory=Counter)
    rows: int = 0
    retries: Counter[str] = field(default_factory=Counter)
    freshness: dict[str, Histogram] = field(default_factory=dict)

    @classmethod
    def of(cls, states: Iterable[WorkerState]) -> Numbers:
        """Add up what workers told."""
        total = cls()
        for state in states:
            numbers = state["numbers"]
            total.events += sum(numbers["events"].values())
            total.rows += sum(numbers["rows"].values())
            total.dead_letters.update(numbers["dead_letters"])
            total.retries.update(numbers["sink_retries"])
            for sink, counts in numbers["freshness"].items():
                histogram = total.freshness.setdefault(sink, Histogram())
                histogram.counts += Histogram(counts).counts
        return total

    def freshness_ms(self) -> dict[str, dict[str, int | None]]:
        """p50, p95 and p99 by sink, in ms from produced to visible."""
        return {sink: histogram.quantiles() for sink, histogram in sorted(self.freshness.items())}
