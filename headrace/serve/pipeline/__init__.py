"""The pipeline's own state: rates, lag, freshness, workers, health."""

from __future__ import annotations

from fastapi import FastAPI

from headrace.serve.context import Context
from headrace.serve.pipeline.routes import router
from headrace.serve.pipeline.watch import Watch


def include(app: FastAPI, context: Context) -> Watch:
    """Add the routes and what watches the services while the app runs."""
    watch = Watch(context)
    app.include_router(router(watch))
    return watch
