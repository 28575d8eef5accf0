"""The path of one event, and a topic's newest one."""

from __future__ import annotations

from fastapi import FastAPI

from headrace.serve.context import Context
from headrace.serve.tracing.routes import router

__all__ = ["include"]


def include(app: FastAPI, context: Context) -> None:
    """Add the routes to an app."""
    app.include_router(router(context))
