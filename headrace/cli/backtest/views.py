"""The two kinds of views, evaluated offline: hand-written ones in chDB, declared ones in Polars."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import polars as pl

from headrace.backtest import asked
from headrace.backtest.filling import fill
from headrace.backtest.frames import Frames
from headrace.backtest.moments import Stretch
from headrace.block import TopicPartition
from headrace.declared import asof, batch, reading
from headrace.declared.planned import planned
from headrace.errors import ConfigError
from headrace.schemas import registry_of
from headrace.topology.model import Topology
from sinks.clickhouse import contents
from sinks.clickhouse.asof import ViewAsOf
from sinks.clickhouse.offline import OfflineViews

#: The field of event time, where none is declared.
TIME = "occurred_at"
#: What ClickHouse's estimate of distinct values may be off by.
ESTIMATED = 0.02
#: What quantiles may differ by, which are computed from the same buckets in floating point.
ROUNDED = 1e-9

Tell = Callable[[int], None]
Ends = Mapping[TopicPartition, int] | None


class HandWritten:
    """A view of ``clickhouse.views``: its agent's rows through its own DDL, in chDB."""

    def __init__(self, root: Path, topology: Topology, name: str) -> None:
        self._root = root
        self._topology = topology
        self._name = name
        self._view = topology.clickhouse.views[name]
        archive = topology.archive
        #: What names a row, and what of that a training set has to give.
        self.key = self.asked_key = list(self._view.order_by)
        #: The field of event time.
        self.time = (archive.event_time if archive else None) or TIME
        tables = topology.clickhouse.tables
        self.topics = sorted({tables[table].topic for table in self._view.from_})
        #: Columns that the store may have otherwise, by a share.
        self.within: dict[str, float] = {}

    def table(self, frames: Frames, stretch: Stretch, ends: Ends, tell: Tell) -> pl.DataFrame:
        """All of it, one row a key."""
        with OfflineViews(self._root, self._topology, [self._name]) as views:
            fill(self._topology, frames, views, stretch, ends, tell)
            return contents.timed(views.rows(self._name), self._view)

    def then(
        self, frames: Frames, given: pl.DataFrame, wanted: pl.DataFrame, tell: Tell
    ) -> pl.DataFrame:
        """``given`` with its values at the moments of ``wanted`` (``asked.asked``)."""
        values = [name for name in self._view.columns if name not in self.key]
        with ViewAsOf(self._root, self._topology, self._name, self.time) as view:
            fill(self._topology, frames, view, Stretch(self.time), None, tell)
            return asked.joined(given, view.answers(wanted), values)

    def held(self, url: str) -> pl.DataFrame:
        """What the running ClickHouse has of it."""
        database = self._topology.clickhouse.database
        held = contents.held(url, contents.select(database, self._name, self._view))
        return contents.timed(held, self._view)


class DeclaredView:
    """A view or feature of ``declared``: the same declaration over frames, in Polars."""

    def __init__(self, root: Path, topology: Topology, name: str) -> None:
        self._topology = topology
        self._registry = registry_of(root, topology)
        self._plan = planned(topology, self._registry, name)
        self._name = name
        declared = self._plan.declared
        window = [declared.window.name] if declared.window else []
        self.key, self.asked_key = [*window, *declared.key], list(declared.key)
        self.time = declared.time
        self.topics = sorted(declared.from_)
        self.within = {
            n: ESTIMATED if one.kind == "distinct" else ROUNDED
            for n, one in declared.fields.items()
            if one.kind == "quantiles" or (one.kind == "distinct" and not one.exact)
        }

    def table(self, frames: Frames, stretch: Stretch, ends: Ends, tell: Tell) -> pl.DataFrame:
        """All of it, one row a key."""
        read = self._read(frames, stretch, ends, tell)
        return batch.table(self._topology, self._registry, self._name, read)

    def then(
        self, frames: Frames, given: pl.DataFrame, wanted: pl.DataFrame, tell: Tell
    ) -> pl.DataFrame:
        """``given`` with its values at the moments of ``wanted`` (``asked.asked``)."""
        read = self._read(frames, Stretch(self.time), None, tell)
        found = asof.values(self._topology, self._registry, self._name, wanted, read)
        return asked.joined(given, found, list(self._plan.declared.fields))

    def held(self, url: str) -> pl.DataFrame:
        """What the running ClickHouse has of it."""
        if self._plan.declared.keep.clickhouse is None:
            raise ConfigError(
                f"--compare: {self._name!r} is kept in Redis alone; 'headrace verify' compares that"
            )
        config = self._topology.clickhouse
        held = contents.held(url, reading.select(self._plan), config.database)
        return contents.timed(held, config.views[self._name])

    def _read(
        self, frames: Frames, stretch: Stretch, ends: Ends, tell: Tell
    ) -> Iterator[tuple[str, pl.DataFrame]]:
        read = 0
        for topic in self.topics:
            for frame in frames.of(topic, ends):
                read += len(frame)
                tell(read)
                yield topic, stretch.within(frame.df)


def offline(root: Path, topology: Topology, name: str) -> HandWritten | DeclaredView:
    """The view of a name; raises ConfigError that names those there are."""
    if name in topology.declared:
        return DeclaredView(root, topology, name)
    if name in topology.clickhouse.views:
        return HandWritten(root, topology, name)
    known = ", ".join([*topology.clickhouse.views, *topology.declared])
    raise ConfigError(f"{name!r} is no view of topology.yaml; there are: {known}")
