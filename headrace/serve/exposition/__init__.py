"""``/metrics``: the pipeline and the serving process for Prometheus."""

from __future__ import annotations

from fastapi import FastAPI

from headrace.serve.exposition.requests import Measured, Requests
from headrace.serve.exposition.routes import router
from headrace.serve.pipeline.watch import Watch


def include(app: FastAPI, watch: Watch) -> None:
    """Add the route, and count requests from now on."""
    requests = Requests()
    app.add_middleware(Measured, requests=requests)
    app.include_router(router(watch, requests))
