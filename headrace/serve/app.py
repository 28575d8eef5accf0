"""The serving process's app: one subpackage a subject, composed here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from fastapi import FastAPI

import headrace
from headrace import topology
from headrace.endpoints import Endpoints
from headrace.private.ring import KeyStore
from headrace.serve import (
    auth,
    exposition,
    health,
    intake,
    page,
    pipeline,
    problems,
    reading,
    registry,
    tracing,
)
from headrace.serve.context import Context
from headrace.topology.model import Topology


def create(
    root: Path,
    allow_register: bool = False,
    host: str = "127.0.0.1",
    key_store: Callable[[Topology, Endpoints], KeyStore] | None = None,
) -> FastAPI:
    """The app of a project folder; ``allow_register`` lets clients add schema versions.

    ``key_store`` makes the store of the key ring, which intake encrypts private fields with.
    Raises ConfigError when the topology is wrong, the schemas are not as locked, or ``host`` lets
    others ask without a token.
    """
    context = Context(root, topology.load(root), key_store)
    name = context.topology.name
    app = FastAPI(
        title=f"Headrace: {name}",
        version=headrace.__version__,
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
    )
    problems.install(app)
    page.include(app, context.topology)  # before the registry: both have an answer to /
    schemas = registry.Catalog(root, context.topology)
    registry.include(app, schemas, allow_register)
    cache = reading.include(app, context, schemas)
    intake.include(app, context)
    tracing.include(app, context)
    watch = pipeline.include(app, context)
    health.include(app, watch)
    exposition.include(app, context, watch, cache)
    auth.install(app, context, host)
    return app
