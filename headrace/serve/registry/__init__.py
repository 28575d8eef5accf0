"""The project's schemas over Confluent's Schema Registry REST API (docs/schemas.md)."""

from __future__ import annotations

from fastapi import FastAPI

from headrace.serve.registry import compatibility, schemas, settings, subjects, wire
from headrace.serve.registry.catalog import Catalog

__all__ = ["Catalog", "include"]


def include(app: FastAPI, catalog: Catalog, allow_register: bool) -> None:
    """Add the API's routes and its form of errors to an app."""
    wire.install(app)
    for router in (
        subjects.router(catalog, allow_register),
        schemas.router(catalog),
        compatibility.router(catalog),
        settings.router(catalog, allow_register),
    ):
        app.include_router(router)
