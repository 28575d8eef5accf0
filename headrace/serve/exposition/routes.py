"""``/metrics``: what Prometheus scrapes of the serving process."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Header, Response, Security
from fastapi.responses import PlainTextResponse
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from starlette.types import Lifespan

from headrace.metrics.collector import exposition
from headrace.serve.auth import Caller, calling

Allowed = Annotated[Caller, Security(calling, scopes=["pipeline:read"])]


class _All(Collector):
    def __init__(self, parts: Sequence[Collector]) -> None:
        self._parts = parts

    def collect(self) -> Iterable[Family]:
        for part in self._parts:
            yield from part.collect()


def router(parts: Sequence[Collector], lifespan: Lifespan[Any]) -> APIRouter:
    """The route over what is collected."""
    routes = APIRouter(tags=["pipeline"], lifespan=lifespan)
    everything = _All(parts)

    @routes.get("/metrics", response_class=PlainTextResponse)
    def metrics(caller: Allowed, accept: Annotated[str, Header()] = "") -> Response:
        """All metrics of this process in Prometheus' text format, or OpenMetrics if accepted."""
        body, content_type = exposition(everything, accept)
        return Response(body, headers={"Content-Type": content_type})

    return routes
