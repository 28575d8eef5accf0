"""``/subjects``: versions of each topic's schema, looking them up and registering new ones."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Security

from headrace.schema.compatibility import Incompatible
from headrace.serve.auth.caller import calling
from headrace.serve.registry.catalog import Catalog
from headrace.serve.registry.wire import (
    RegistryError,
    Submitted,
    described,
    no_schema,
    read_only,
    registry_router,
)


def router(catalog: Catalog, allow_register: bool) -> APIRouter:
    """The routes over a catalog."""
    routes = registry_router("subjects")

    @routes.get("/subjects")
    def subjects(subjectPrefix: str = "") -> list[str]:  # noqa: N803 - the API's name
        return [subject for subject in catalog.subjects if subject.startswith(subjectPrefix)]

    @routes.post("/subjects/{subject}")
    def lookup(subject: str, submitted: Submitted) -> dict[str, Any]:
        found = catalog.same(subject, submitted)
        if found is None:
            raise no_schema()
        return described(subject, found)

    @routes.get("/subjects/{subject}/versions")
    def versions(subject: str) -> list[int]:
        return [schema.version for schema in catalog.versions(subject)]

    @routes.post(
        "/subjects/{subject}/versions",
        dependencies=[Security(calling, scopes=["schemas:write"])],
    )
    def register(subject: str, submitted: Submitted) -> dict[str, int]:
        """A schema that is registered already gets its id again, also where none may be added."""
        found = catalog.same(subject, submitted)
        if found is not None:
            return {"id": found.id}
        if not allow_register:
            raise read_only(subject)
        try:
            return {"id": catalog.register(subject, submitted).id}
        except Incompatible as error:
            text = f"Schema being registered is incompatible with an earlier schema: {error}"
            raise RegistryError(409, 409, text) from error

    @routes.get("/subjects/{subject}/versions/{version}")
    def version(subject: str, version: str) -> dict[str, Any]:
        return described(subject, catalog.version(subject, version))

    @routes.get("/subjects/{subject}/versions/{version}/schema")
    def schema(subject: str, version: str) -> Any:
        return catalog.version(subject, version).spec

    @routes.get("/subjects/{subject}/versions/{version}/referencedby")
    def referenced_by(subject: str, version: str) -> list[int]:
        catalog.version(subject, version)
        return []  # schemas hold all their types themselves

    return routes
