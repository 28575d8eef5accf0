"""``/schemas``: schemas by the id that records carry."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from headrace.serve.registry.catalog import Catalog
from headrace.serve.registry.wire import AVRO, described, registry_router


def router(catalog: Catalog) -> APIRouter:
    """The routes over a catalog."""
    routes = registry_router("schemas", "/schemas")

    @routes.get("")
    def everything(
        subjectPrefix: str = "",  # noqa: N803 - the API's name
        latestOnly: bool = False,  # noqa: N803
    ) -> list[dict[str, Any]]:
        return [
            described(subject, schema)
            for subject in catalog.subjects
            if subject.startswith(subjectPrefix)
            for schema in catalog.versions(subject)[-1 if latestOnly else 0 :]
        ]

    @routes.get("/types")
    def types() -> list[str]:
        return [AVRO]

    @routes.get("/ids/{schema_id}")
    def by_id(schema_id: int) -> dict[str, str]:
        return {"schema": catalog.by_id(schema_id).text}

    @routes.get("/ids/{schema_id}/schema")
    def content(schema_id: int) -> Any:
        return catalog.by_id(schema_id).spec

    @routes.get("/ids/{schema_id}/subjects")
    def subjects(schema_id: int) -> list[str]:
        return catalog.subjects_of(catalog.by_id(schema_id))

    @routes.get("/ids/{schema_id}/versions")
    def versions(schema_id: int) -> list[dict[str, Any]]:
        schema = catalog.by_id(schema_id)
        return [
            {"subject": subject, "version": schema.version}
            for subject in catalog.subjects_of(schema)
        ]

    return routes
