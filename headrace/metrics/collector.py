"""From the list to Prometheus' exposition."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
)
from prometheus_client.metrics_core import (
    Metric as Family,
)
from prometheus_client.registry import Collector

from headrace.metrics.counters import Metrics
from headrace.metrics.histogram import Histogram
from headrace.metrics.listed import WORKER, Metric

#: One value, or values by key (see ``headrace.metrics.listed``).
Values = float | Mapping[str, float] | Mapping[str, Histogram]


class WorkerCollector(Collector):
    """Reads a worker's ``Metrics`` when it is scraped: nothing is counted twice."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterable[Family]:
        """All families of ``WORKER``."""
        for metric in WORKER:
            yield family(metric, getattr(self._metrics, metric.field))


def family(metric: Metric, values: Values) -> Family:
    """A listed metric with its values."""
    made: Any = _FAMILIES[metric.kind](metric.name, metric.meaning, labels=metric.labels)
    if isinstance(values, (int, float)):
        made.add_metric((), values)
        return made  # type: ignore[no-any-return]
    for labels, value in _labelled(metric, values):
        if isinstance(value, Histogram):
            made.add_metric(labels, value.exposed(), value.sum_ms / 1000)
        else:
            made.add_metric(labels, value)
    return made  # type: ignore[no-any-return]


def exposition(collector: Collector, accept: str) -> tuple[bytes, str]:
    """What is answered to a scrape, and its content type: OpenMetrics where it is accepted."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(collector)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


def _labelled(metric: Metric, values: Mapping[str, Any]) -> Iterator[tuple[list[str], Any]]:
    for key, value in dict(values).items():
        yield key.split(" ", len(metric.labels) - 1), value


_FAMILIES: Mapping[str, Callable[..., Family]] = {
    "counter": CounterMetricFamily,
    "gauge": GaugeMetricFamily,
    "histogram": HistogramMetricFamily,
}
