"""How many answers came from the cache."""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.metrics.collector import family
from headrace.metrics.listed import by_name
from headrace.serve.cache import Cache


class CacheCollector(Collector):
    """The cache's own counters."""

    def __init__(self, cache: Cache) -> None:
        self._cache = cache

    def collect(self) -> Iterable[Family]:
        """Both families."""
        listed = by_name()
        yield family(listed["headrace_cache_hits_total"], self._cache.hits)
        yield family(listed["headrace_cache_misses_total"], self._cache.misses)
