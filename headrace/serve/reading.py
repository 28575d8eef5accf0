"""The read API: its parts, made once for the process, and closed with it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import APIRouter, FastAPI

from headrace.clock import SystemClock
from headrace.serve import catalogue, registry
from headrace.serve.analytics import routes as analytics
from headrace.serve.analytics.questions import Questions
from headrace.serve.cache import Cache
from headrace.serve.context import Context
from headrace.serve.entities import Entities, Keys
from headrace.serve.entities import routes as entities
from headrace.serve.entities.direct import Direct
from headrace.serve.entities.lookups import Lookups
from headrace.serve.positions import Positions
from headrace.serve.queries import Views
from headrace.serve.shortcuts import Shortcuts
from headrace.serve.streams import Streams


def include(app: FastAPI, context: Context, schemas: registry.Catalog) -> Cache:
    """Add the routes; returns what answers are kept in. Stores are connected when first asked."""
    topology, clock = context.topology, SystemClock()
    views, keys, cache = Views(context), Keys(context), Cache(clock)
    held = Entities(context, keys, clock)
    positions = Positions(context, held.fences, clock)

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await views.close()
            await keys.close()
            await positions.close()

    questions = Questions(topology, views, positions, cache, clock)
    lookups = Lookups(topology, held, positions, cache)
    of_entities = entities.router(lookups)
    for router in (
        APIRouter(lifespan=closing),
        of_entities,
        analytics.router(topology, questions, Streams()),
        catalogue.router(topology, schemas, positions),
    ):
        app.include_router(router)
    if topology.serve.features is not None:
        app.add_middleware(Direct, lookups=lookups, routes=of_entities.routes)
    app.add_middleware(Shortcuts, cache=cache, clock=clock)
    return cache
