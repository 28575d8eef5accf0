"""``/config``, ``/mode`` and what else clients ask of a server. Read only: the lock decides."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from headrace.serve.registry.catalog import Catalog
from headrace.serve.registry.wire import RegistryError, registry_router


def alive() -> APIRouter:
    """What clients ask to see whether there is a server; it tells nothing, so anybody may."""
    routes = registry_router("settings")

    @routes.get("/")
    def root() -> dict[str, Any]:
        return {}

    return routes


def router(catalog: Catalog, allow_register: bool) -> APIRouter:
    """The routes over a catalog."""
    routes = registry_router("settings")
    mode = {"mode": "READWRITE" if allow_register else "READONLY"}

    @routes.get("/contexts")
    def contexts() -> list[str]:
        return ["."]

    @routes.get("/config")
    def config() -> dict[str, str]:
        return {"compatibilityLevel": catalog.default_level.value}

    @routes.get("/config/{subject}")
    def config_of(
        subject: str,
        defaultToGlobal: bool = False,  # noqa: N803 - the API's name
    ) -> dict[str, str]:
        catalog.versions(subject)
        level = catalog.level(subject) if defaultToGlobal else catalog.own_level(subject)
        if level is None:
            text = f"Subject '{subject}' does not have subject-level compatibility configured"
            raise RegistryError(404, 40408, text)
        return {"compatibilityLevel": level.value}

    @routes.get("/mode")
    def mode_of_all() -> dict[str, str]:
        return mode

    @routes.get("/mode/{subject}")
    def mode_of(
        subject: str,
        defaultToGlobal: bool = False,  # noqa: N803 - the API's name
    ) -> dict[str, str]:
        catalog.versions(subject)
        if not defaultToGlobal:
            text = f"Subject '{subject}' does not have subject-level mode configured"
            raise RegistryError(404, 40409, text)
        return mode

    return routes
