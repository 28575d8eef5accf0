"""The live page: its built files, and what the topology says that it shows (docs/page.md)."""

from __future__ import annotations

from fastapi import FastAPI

from headrace.serve.page import files, panels
from headrace.topology.model import Topology

__all__ = ["include"]


def include(app: FastAPI, topology: Topology) -> None:
    """Add the page. Before the registry's routes: both have an answer to ``/``."""
    app.include_router(panels.router(topology))
    app.router.routes += files.routes()
