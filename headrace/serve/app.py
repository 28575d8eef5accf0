"""The serving process's app: one subpackage a subject, composed here."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI

import headrace
from headrace import topology
from headrace.serve import auth, problems, registry
from headrace.serve.context import Context


def create(root: Path, allow_register: bool = False, host: str = "127.0.0.1") -> FastAPI:
    """The app of a project folder; ``allow_register`` lets clients add schema versions.

    Raises ConfigError when the topology is wrong, the schemas are not as locked, or ``host`` lets
    others ask without a token.
    """
    context = Context(root, topology.load(root))
    name = context.topology.name
    app = FastAPI(
        title=f"Headrace: {name}",
        version=headrace.__version__,
        docs_url=None,  # both pages load their scripts from elsewhere
        redoc_url=None,
    )
    problems.install(app)
    registry.include(app, registry.Catalog(root, context.topology), allow_register)
    auth.install(app, context, host)
    return app
