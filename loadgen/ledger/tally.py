"""How many records went where, and the span of their event times."""

from __future__ import annotations

import numpy as np

from loadgen.chunk import Chunk
from loadgen.rows import BAD, DUPLICATE
from loadgen.wiring import Wiring


class Tally:
    """Counts of the records sent. ``events`` is by topic: ``sent`` (all), of them ``duplicates``
    and ``bad``. ``first_at_ms`` and ``last_at_ms`` are over the good records; None before any."""

    def __init__(self, wiring: Wiring) -> None:
        names = ("sent", "duplicates", "bad")
        self.events = {route.topic: dict.fromkeys(names, 0) for route in wiring.values()}
        self.first_at_ms: int | None = None
        self.last_at_ms: int | None = None

    def add(self, chunk: Chunk) -> None:
        """Count a chunk's records."""
        for batch in chunk.batches.values():
            mark = batch.rows["mark"]
            counts = self.events[batch.topic]
            counts["sent"] += len(batch)
            counts["duplicates"] += int(np.count_nonzero(mark == DUPLICATE))
            counts["bad"] += int(np.count_nonzero(mark >= BAD))
            at = batch.rows["at"][mark < BAD]
            if len(at):
                self._span(int(at.min()), int(at.max()))

    def _span(self, low: int, high: int) -> None:
        self.first_at_ms = low if self.first_at_ms is None else min(low, self.first_at_ms)
        self.last_at_ms = high if self.last_at_ms is None else max(high, self.last_at_ms)
