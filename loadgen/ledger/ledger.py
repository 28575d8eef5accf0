"""The ledger of a run: what was sent, and so what every sink must hold."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import orjson
import polars as pl

from loadgen.chunk import Batch, Chunk
from loadgen.ledger.facts import Facts, lines_of
from loadgen.ledger.features import Features
from loadgen.ledger.models import Models
from loadgen.ledger.tables import Table
from loadgen.ledger.views import Views
from loadgen.ledger.write import write
from loadgen.rows import BAD, CATALOG, DUPLICATE, FLAGS, ORDERS, PAYMENTS, REQUESTS, SESSIONS
from loadgen.wiring import Wiring
from loadgen.world import World


class Ledger:
    """Takes chunks in the order of sending and keeps the state that they lead to.

    ``dedupe`` are the topics whose duplicates the pipeline drops. There a duplicate counts in
    ``events`` alone; everywhere else it is a row and a state update like any record.
    """

    def __init__(self, world: World, wiring: Wiring, dedupe: frozenset[str] = frozenset()) -> None:
        self._wiring = wiring
        self._dedupe = dedupe
        self._tables = {stream: Table(route.partitions) for stream, route in wiring.items()}
        self._views = Views()
        self._features = Features(world)
        self._models = Models(world)
        names = ("sent", "duplicates", "bad")
        self._events = {route.topic: dict.fromkeys(names, 0) for route in wiring.values()}
        self._first_at: int | None = None
        self._last_at: int | None = None

    @property
    def events(self) -> dict[str, dict[str, int]]:
        """By topic: ``sent`` (all records), and how many of them were duplicates or ``bad``."""
        return self._events

    @property
    def span_ms(self) -> tuple[int | None, int | None]:
        """The least and the greatest event time of the good records."""
        return self._first_at, self._last_at

    def add(self, chunk: Chunk) -> None:
        """Account for a chunk's records; all of them were sent."""
        for batch in chunk.batches.values():
            facts = self._facts(batch)
            if len(facts):
                self._tables[batch.stream].add(facts)
                self._apply(facts)

    def _facts(self, batch: Batch) -> Facts:
        mark = batch.rows["mark"]
        counts = self._events[batch.topic]
        counts["sent"] += len(batch)
        counts["duplicates"] += int(np.count_nonzero(mark == DUPLICATE))
        counts["bad"] += int(np.count_nonzero(mark >= BAD))
        good = mark < BAD
        if batch.topic in self._dedupe:
            good &= mark != DUPLICATE
        at = batch.rows["at"][good]
        if len(at):
            low, high = int(at.min()), int(at.max())
            self._first_at = low if self._first_at is None else min(low, self._first_at)
            self._last_at = high if self._last_at is None else max(high, self._last_at)
        return Facts(
            batch.stream,
            batch.world,
            batch.rows[good],
            batch.seq[good],
            batch.partitions[good],
            batch.event_ids[good],
        )

    def _apply(self, facts: Facts) -> None:
        if facts.stream == SESSIONS:
            self._views.sessions(facts)
            self._features.sessions(facts)
        elif facts.stream == ORDERS:
            lines = lines_of(facts)
            self._views.orders(facts, lines)
            self._features.orders(facts, lines)
            self._models.orders(facts)
        elif facts.stream == PAYMENTS:
            self._views.payments(facts)
            self._models.payments(facts)
        elif facts.stream == REQUESTS:
            self._views.requests(facts)
        elif facts.stream == FLAGS:
            self._views.flags(facts)
        elif facts.stream == CATALOG:
            self._models.catalog(facts)

    def sections(self) -> dict[str, pl.DataFrame]:
        """The state, by section (docs/ledger.md)."""
        tables = {f"table.{stream}": table.section() for stream, table in self._tables.items()}
        return tables | self._views.sections() | self._features.sections() | self._models.sections()

    def write(self, folder: Path, summary: dict[str, object]) -> None:
        """Write the sections and ``summary.json``: all of it appears at once, or nothing does."""
        write(folder, self.sections(), orjson.dumps(summary, option=orjson.OPT_INDENT_2))
