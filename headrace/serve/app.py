"""The serving process's app: one router a subject, composed here."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

import headrace
from headrace import topology
from headrace.serve import registry


def create(root: Path, allow_register: bool = False) -> FastAPI:
    """The app of a project folder; ``allow_register`` lets clients add schema versions.

    Raises ConfigError when the topology is wrong or the schemas are not as locked.
    """
    declared = topology.load(root)
    app = FastAPI(title=f"Headrace: {declared.name}", version=headrace.__version__)
    registry.include(app, registry.Catalog(root, declared), allow_register)
    return app
