"""The ledger of a run: what was sent, and so what every sink must hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

    Damaged records lead to nothing. ``dedupe`` are the topics whose duplicates the pipeline drops;
    everywhere else a duplicate is a row and a state update like any record.
    """

    def __init__(self, world: World, wiring: Wiring, dedupe: frozenset[str] = frozenset()) -> None:
        self._dedupe = dedupe
        self._tables = {stream: Table(route.partitions) for stream, route in wiring.items()}
        self._views = Views(world)
        self._features = Features(world)
        self._models = Models(world)

    def add(self, chunk: Chunk) -> None:
        """Account for a chunk's records; all of them were sent."""
        for batch in chunk.batches.values():
            facts = self._facts(batch)
            if len(facts):
                self._tables[batch.stream].add(facts)
                self._apply(facts)

    def _facts(self, batch: Batch) -> Facts:
        mark = batch.rows["mark"]
        good = mark < BAD
        if batch.topic in self._dedupe:
            good &= mark != DUPLICATE
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
        views, features, models = (
            part.sections() for part in (self._views, self._features, self._models)
        )
        return tables | views | features | models

    def write(self, folder: Path, summary: dict[str, Any]) -> None:
        """Write the sections and ``summary.json``: all of it appears at once, or nothing does."""
        write(folder, self.sections(), orjson.dumps(summary, option=orjson.OPT_INDENT_2))
