"""The project's schemas over Confluent's Schema Registry REST API (docs/schemas.md)."""

from __future__ import annotations

from fastapi import FastAPI, Security

from headrace.serve.auth.caller import calling
from headrace.serve.registry import compatibility, schemas, settings, subjects
from headrace.serve.registry.catalog import Catalog

__all__ = ["Catalog", "include"]


def include(app: FastAPI, catalog: Catalog, allow_register: bool) -> None:
    """Add the API's routes, whose errors have a form of their own, to an app."""
    app.include_router(settings.alive())
    for router in (
        subjects.router(catalog, allow_register),
        schemas.router(catalog),
        compatibility.router(catalog),
        settings.router(catalog, allow_register),
    ):
        app.include_router(router, dependencies=[Security(calling, scopes=["schemas:read"])])
