"""The pipeline's state as metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector

from headrace.metrics.collector import Values, family
from headrace.metrics.listed import by_name
from headrace.serve.pipeline.model import Pipeline
from headrace.serve.pipeline.watch import Watch


class PipelineCollector(Collector):
    """What the board shows now; nothing without a board.

    What a service that is away would tell is left out, so that a scrape shows a gap and not an old
    value as if it were new; ``headrace_service_up`` says why.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def collect(self) -> Iterable[Family]:
        """All families."""
        if self._watch.missing is None:
            listed = by_name()
            for name, values in _values(self._watch.board.now):
                yield family(listed[name], values)


def _values(now: Pipeline) -> Iterator[tuple[str, Values]]:
    services = now.services
    if services["kafka"].up:
        partitions = {
            f"{name} {found.partition}": found
            for name, topic in now.topics.items()
            for found in topic.partitions
        }
        yield "headrace_lag", {key: found.lag for key, found in partitions.items()}
        yield "headrace_log_end_offset", {key: found.end for key, found in partitions.items()}
        yield (
            "headrace_committed_offset",
            {k: found.committed for k, found in partitions.items() if found.committed is not None},
        )
    if services["redis"].up:
        yield "headrace_workers", len(now.workers)
    yield "headrace_service_up", {name: int(service.up) for name, service in services.items()}
    yield "headrace_pipeline_ok", int(now.health.ok)
