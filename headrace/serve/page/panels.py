"""``/v1/page``: what the live page shows of this pipeline."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Security
from pydantic import BaseModel

from headrace.serve.auth import Caller, calling
from headrace.topology.model import Topology
from headrace.topology.panels import Panel

Allowed = Annotated[Caller, Security(calling, scopes=["catalog:read"])]


class NamedPanel(Panel):
    """A panel with its name."""

    name: str


class Page(BaseModel):
    """The pipeline's name, and the panels in declared order."""

    name: str
    panels: list[NamedPanel]


def router(topology: Topology) -> APIRouter:
    """The route over a topology."""
    routes = APIRouter(prefix="/v1/page", tags=["page"])
    declared = [NamedPanel(name=name, **dict(p)) for name, p in topology.serve.panels.items()]
    page = Page(name=topology.name, panels=declared)

    @routes.get("")
    def shown(caller: Allowed) -> Page:
        """The live page's panels, as ``serve: panels:`` of the topology declares them."""
        return page

    return routes
