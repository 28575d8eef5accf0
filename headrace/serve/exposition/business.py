"""Declared metrics as gauges: the value of each in its newest complete step."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.exceptions import ClickHouseError
from prometheus_client.metrics_core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.clock import Clock, SystemClock
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError, Transient
from headrace.security.address import clickhouse_options
from headrace.serve.context import Context
from headrace.serve.pipeline.poll import Poll
from headrace.serve.pipeline.sources import TIMEOUT_S
from headrace.serve.queries import compile
from headrace.serve.queries.query import Query, Scope
from headrace.topology import aggregates
from headrace.topology.metrics import Metric
from headrace.topology.model import Topology

EVERY_S = 10.0
#: More series of one metric are too many: it is told as a whole.
MOST_SERIES = 200
LABEL = "quantile"


@dataclass(frozen=True, slots=True)
class Gauge:
    """A metric in its newest complete step: the labels' names, and rows of their values."""

    labels: tuple[str, ...]
    rows: Sequence[tuple[list[str], float]]


class NewestStep:
    """Asks ClickHouse for every declared metric."""

    def __init__(self, topology: Topology, where: Endpoints, clock: Clock) -> None:
        self._topology = topology
        self._clock = clock
        try:
            self._client = clickhouse_connect.get_client(
                **clickhouse_options(where.clickhouse),
                connect_timeout=TIMEOUT_S,
                send_receive_timeout=EVERY_S,
                query_retries=0,
            )
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error

    def read(self) -> dict[str, Gauge]:
        """All metrics by name. Raises Transient."""
        return {name: self._gauge(metric) for name, metric in self._topology.metrics.items()}

    def _gauge(self, metric: Metric) -> Gauge:
        by = self._labels(metric)
        rows = self._rows(metric, by)
        if len(rows) > MOST_SERIES:
            by = ()
            rows = self._rows(metric, by)
        if metric.measure.kind != "quantile":
            return Gauge(by, [([*row[1:-1]], row[-1]) for row in rows if row[-1] is not None])
        levels = [str(level) for level in metric.measure.levels]
        spread = [
            ([*row[1:-1], level], value)
            for row in rows
            for level, value in zip(levels, row[-1], strict=True)
        ]
        return Gauge((*by, LABEL), spread)

    def _labels(self, metric: Metric) -> tuple[str, ...]:
        """Dimensions of few values. Tenants are many and none of Prometheus' readers' business."""
        columns = self._topology.clickhouse.views[metric.view].columns
        return tuple(
            name
            for name in metric.dimensions
            if columns[name].startswith("LowCardinality") and name != metric.tenant
        )

    def _rows(self, metric: Metric, by: Sequence[str]) -> list[Any]:
        step_s = aggregates.grain_s(self._topology.clickhouse.views[metric.view], metric.time)
        assert step_s is not None  # the topology was checked
        end_s = self._clock.now_ms() // 1000 // step_s * step_s
        scope = Scope(end_s - step_s, end_s, tuple(metric.where.items()))
        return self._ask(compile.series(self._topology, metric, scope, step_s, by))

    def _ask(self, query: Query) -> list[Any]:
        try:
            return list(self._client.query(query.sql, dict(query.parameters)).result_rows)
        except ClickHouseError as error:
            raise Transient(f"clickhouse: {error}") from error

    def close(self) -> None:
        """Disconnect."""
        self._client.close()


class BusinessCollector(Collector):
    """``headrace_metric_<name>`` of every declared metric; none while ClickHouse is away."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._poll: Poll[dict[str, Gauge]] | None = None

    @asynccontextmanager
    async def lifespan(self, _: Any) -> AsyncIterator[None]:
        """Ask while the app runs, if it knows where ClickHouse is."""
        topology = self._context.topology
        try:
            where = self._context.endpoints
        except ConfigError:
            yield
            return
        self._poll = Poll("metrics", lambda: NewestStep(topology, where, SystemClock()), EVERY_S)
        self._poll.start()
        try:
            yield
        finally:
            self._poll.stop()

    def collect(self) -> Iterable[Family]:
        """All families."""
        seen = None if self._poll is None else self._poll.seen
        if seen is not None and seen.value is not None and seen.why is None:
            yield from self.families(seen.value)

    def families(self, gauges: dict[str, Gauge]) -> Iterator[Family]:
        """The gauges as families, under their declared names and meanings."""
        for name, gauge in gauges.items():
            metric = self._context.topology.metrics[name]
            meaning = f"{metric.doc} ({metric.unit}), in the newest complete step."
            family = GaugeMetricFamily(f"headrace_metric_{name}", meaning, labels=gauge.labels)
            for labels, value in gauge.rows:
                family.add_metric(labels, value)
            yield family
