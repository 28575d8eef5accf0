"""Hand-written views from their agents' rows: the loop that every evaluation of them has."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import polars as pl

from headrace.backtest.frames import Frames
from headrace.backtest.moments import Stretch
from headrace.backtest.written import Written
from headrace.block import TopicPartition
from headrace.topology.model import Topology


class Target(Protocol):
    """What takes the rows of raw tables and makes views of them."""

    @property
    def tables(self) -> tuple[str, ...]:
        """The raw tables that feed the views."""

    def insert(self, table: str, rows: pl.DataFrame) -> None:
        """Rows of one of them."""


def fill(
    topology: Topology,
    frames: Frames,
    target: Target,
    stretch: Stretch,
    ends: Mapping[TopicPartition, int] | None = None,
    tell: Callable[[int], None] = lambda _: None,
) -> None:
    """Give a target all rows of its tables in a stretch of time.

    ``tell`` gets the number of events read so far. Raises what ``Frames.of`` raises.
    """
    read = 0
    for table in target.tables:
        written = Written(topology, table)
        for frame in frames.of(topology.clickhouse.tables[table].topic, ends):
            read += len(frame)
            for rows in written.of(frame):
                target.insert(table, stretch.within(rows))
            tell(read)
