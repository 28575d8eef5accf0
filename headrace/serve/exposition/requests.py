"""Requests counted and timed by route, whoever answers them."""

from __future__ import annotations

import time
from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics_core import Metric as Family
from prometheus_client.registry import Collector
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from headrace.metrics.listed import by_name

#: Up to 10 s; those that the goals for reads name (docs/serving.md) are among them.
BUCKETS_S = (
    0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
)  # fmt: skip
#: What no route of the API takes: files of the page, and paths that clients make up.
OTHER = "other"
STREAM = "text/event-stream"
FAILED = 500


class Requests(Collector):
    """The counters of requests, under their listed names."""

    def __init__(self) -> None:
        listed = by_name()
        self._registry = CollectorRegistry()
        requests = listed["headrace_http_requests_total"]
        seconds = listed["headrace_http_request_seconds"]
        streams = listed["headrace_sse_clients"]
        self.answered = Counter(
            requests.name, requests.meaning, requests.labels, registry=self._registry
        )
        self.seconds = Histogram(
            seconds.name, seconds.meaning, seconds.labels, registry=self._registry,
            buckets=BUCKETS_S,
        )  # fmt: skip
        self.streams = Gauge(streams.name, streams.meaning, registry=self._registry)

    def collect(self) -> Iterable[Family]:
        """All families."""
        return self._registry.collect()


class Measured:
    """ASGI middleware: to stand around all others, so that what they answer is counted, too."""

    def __init__(self, app: ASGIApp, requests: Requests) -> None:
        self._app = app
        self._requests = requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        one = _Request(self._requests, send)
        try:
            await self._app(scope, receive, one.send)
        finally:
            one.end(scope)


class _Request:
    """One request while it is being answered."""

    def __init__(self, requests: Requests, send: Send) -> None:
        self._requests = requests
        self._send = send
        self._began = time.perf_counter()
        self._seconds: float | None = None
        self._status = FAILED  # unless something is answered
        self._streams = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            kind = Headers(raw=message["headers"]).get("content-type", "")
            if kind.startswith(STREAM):
                self._streams = True
                self._seconds = time.perf_counter() - self._began
                self._requests.streams.inc()
        await self._send(message)

    def end(self, scope: Scope) -> None:
        if self._streams:
            self._requests.streams.dec()
        seconds = self._seconds
        if seconds is None:
            seconds = time.perf_counter() - self._began
        route = getattr(scope.get("route"), "path", OTHER)
        self._requests.answered.labels(scope["method"], route, self._status).inc()
        self._requests.seconds.labels(route).observe(seconds)
