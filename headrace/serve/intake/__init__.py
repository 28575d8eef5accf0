"""Events over HTTP: checked as ``headrace produce`` does, answered when Kafka has stored them."""

from __future__ import annotations

from fastapi import FastAPI

from headrace.serve.context import Context
from headrace.serve.intake import routes

__all__ = ["include"]


def include(app: FastAPI, context: Context) -> None:
    """Add the routes. Services are connected to when the first event comes."""
    app.include_router(routes.router(context))
