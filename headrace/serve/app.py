"""The serving process's app: one subpackage a subject, composed here."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

import headrace
from headrace import topology
from headrace.serve import exposition, health, pipeline, problems, reading, registry
from headrace.serve.context import Context


def create(root: Path, allow_register: bool = False) -> FastAPI:
    """The app of a project folder; ``allow_register`` lets clients add schema versions.

    Raises ConfigError when the topology is wrong or the schemas are not as locked.
    """
    context = Context(root, topology.load(root))
    name = context.topology.name
    app = FastAPI(title=f"Headrace: {name}", version=headrace.__version__)
    problems.install(app)
    schemas = registry.Catalog(root, context.topology)
    registry.include(app, schemas, allow_register)
    cache = reading.include(app, context, schemas)
    watch = pipeline.include(app, context)
    health.include(app, watch)
    exposition.include(app, context, watch, cache)
    return app
