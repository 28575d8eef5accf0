"""The values of every watch by minute, from the aggregating views."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from headrace.anomaly.detector import Labels
from headrace.errors import Terminal
from headrace.serve.queries import Query, Views
from headrace.serve.queries.measures import expression, value_of
from headrace.serve.queries.query import MAX_ROWS, Scope, quoted, select, within
from headrace.topology.anomalies import Watch
from headrace.topology.model import Topology

MINUTE_S: Final = 60
#: By minute, watch and labels: value and exposure.
Minutes = Mapping[int, Mapping[str, Mapping[Labels, tuple[float, float]]]]


class MinuteReader:
    """Asks the views. Late rows are in as soon as ClickHouse has them, repeated ones never."""

    def __init__(self, topology: Topology, views: Views) -> None:
        self._topology = topology
        self._views = views

    async def read(self, first: int, last: int) -> Minutes:
        """All watches' values of the minutes ``first..last`` since the epoch.

        Raises Transient when ClickHouse does not answer, Terminal when a watch has too many series.
        """
        found: dict[int, dict[str, dict[Labels, tuple[float, float]]]] = {}
        for name, watch in self._topology.anomalies.watches.items():
            rows = await self._views.rows(self._query(watch, first, last))
            if len(rows) > MAX_ROWS:
                raise Terminal(
                    f"anomalies.watches.{name}: more than {MAX_ROWS:,} values in "
                    f"{last - first + 1} minutes: watch by fewer dimensions"
                )
            for minute, *labels, value, exposure in rows:
                if value is not None:
                    values = found.setdefault(int(minute), {}).setdefault(name, {})
                    values[tuple(labels)] = (float(value), float(exposure))
        return found

    async def span(self) -> tuple[int, int] | None:
        """The first and the last minute that any watched view has; None when all are empty."""
        config = self._topology.clickhouse
        metrics = [self._topology.metrics[watch.metric] for watch in self._watches()]
        views = sorted({(metric.view, metric.time) for metric in metrics})
        spans = []
        for view, time in views:
            sql = (
                f"SELECT toUnixTimestamp(min({quoted(time)})), toUnixTimestamp(max({quoted(time)}))"
                f" FROM `{config.database}`.`{view}` AS v HAVING count() > 0"
            )
            spans += await self._views.rows(Query(sql))
        if not spans:
            return None
        begins, ends = zip(*spans, strict=True)
        return int(min(begins)) // MINUTE_S, int(max(ends)) // MINUTE_S

    def _watches(self) -> Iterable[Watch]:
        return self._topology.anomalies.watches.values()

    def _query(self, watch: Watch, first: int, last: int) -> Query:
        config, metric = self._topology.clickhouse, self._topology.metrics[watch.metric]
        view, measure = config.views[metric.view], metric.measure
        value, exposure = expression(view, measure), "1"
        if measure.kind == "ratio":
            value, exposure = (value_of(view, column) for column in measure.columns)
        elif measure.kind == "quantile":
            assert watch.level is not None  # the topology was checked
            value = f"({value})[{measure.levels.index(watch.level) + 1}]"
        equal = (*metric.where.items(), *watch.where.items())
        where, parameters = within(
            Scope(first * MINUTE_S, (last + 1) * MINUTE_S, equal), metric.time
        )
        minute = f"intDiv(toUnixTimestamp({quoted(metric.time)}), {MINUTE_S})"
        keys = [minute, *(f"toString({quoted(column)})" for column in watch.by)]
        groups = ", ".join(str(i) for i in range(1, len(keys) + 1))
        tail = f"GROUP BY {groups} ORDER BY {groups} LIMIT {MAX_ROWS + 1}"
        bound: dict[str, Any] = parameters
        table = f"`{config.database}`.`{metric.view}`"
        return select([*keys, value, exposure], table, where, tail, bound)
