"""``/compatibility``: what registering a schema would be answered, without registering it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter

from headrace.schema import AvroSchema
from headrace.schema.compatibility import faults
from headrace.serve.registry.catalog import Catalog
from headrace.serve.registry.wire import Submitted, registry_router


def router(catalog: Catalog) -> APIRouter:
    """The routes over a catalog."""
    routes = registry_router("compatibility", "/compatibility/subjects/{subject}/versions")

    def verdict(
        subject: str, submitted: Submitted, older: Sequence[AvroSchema], verbose: bool
    ) -> dict[str, Any]:
        found = faults(catalog.parsed(subject, submitted), older, catalog.level(subject))
        return {"is_compatible": not found} | ({"messages": found} if verbose else {})

    @routes.post("")
    def with_the_subject(
        subject: str, submitted: Submitted, verbose: bool = False
    ) -> dict[str, Any]:
        return verdict(subject, submitted, catalog.versions(subject), verbose)

    @routes.post("/{version}")
    def with_one_version(
        subject: str, version: str, submitted: Submitted, verbose: bool = False
    ) -> dict[str, Any]:
        return verdict(subject, submitted, [catalog.version(subject, version)], verbose)

    return routes
