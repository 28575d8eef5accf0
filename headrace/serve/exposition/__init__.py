"""``/metrics``: the pipeline, its declared metrics and the serving process for Prometheus."""

from __future__ import annotations

from fastapi import FastAPI

from headrace.serve.cache import Cache
from headrace.serve.context import Context
from headrace.serve.exposition.business import BusinessCollector
from headrace.serve.exposition.cached import CacheCollector
from headrace.serve.exposition.pipeline import PipelineCollector
from headrace.serve.exposition.requests import Measured, Requests
from headrace.serve.exposition.routes import router
from headrace.serve.pipeline.watch import Watch


def include(app: FastAPI, context: Context, watch: Watch, cache: Cache) -> None:
    """Add the route, and count requests from now on."""
    requests, business = Requests(), BusinessCollector(context)
    app.add_middleware(Measured, requests=requests)
    parts = [PipelineCollector(watch), business, requests, CacheCollector(cache)]
    app.include_router(router(parts, business.lifespan))
