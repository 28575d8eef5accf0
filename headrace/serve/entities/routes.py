"""``/v1/features`` and ``/v1/views``."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response, Security

from headrace.serve.answers import respond
from headrace.serve.auth import Caller, calling
from headrace.serve.entities import models
from headrace.serve.entities.lookups import Lookups
from headrace.serve.openapi import AtLeast, WaitMs, responses

MAX_AGE_S = 1
MAX_ID = 256
FEATURES = "/v1/features/{user}"

FeatureReader = Annotated[Caller, Security(calling, scopes=["features:read"])]
ViewReader = Annotated[Caller, Security(calling, scopes=["views:read"])]
Id = Annotated[str, Path(min_length=1, max_length=MAX_ID)]
Name = Annotated[str, Path(max_length=64, examples=["order"])]


def router(lookups: Lookups) -> APIRouter:
    """The routes. Answers are bytes already: nothing is serialised or checked twice."""
    routes = APIRouter(prefix="/v1", tags=["entities"])

    @routes.get("/features/{user}", response_model=models.Features, responses=responses(404, 504))
    async def features(
        request: Request, caller: FeatureReader, user: Id,
        at_least: AtLeast = [], wait_ms: WaitMs = 2_000,  # noqa: B006
    ) -> Response:  # fmt: skip
        """What is known of a person; of somebody unknown there is nothing in each keyspace."""
        return respond(request, await lookups.features(user, at_least, wait_ms), 0)

    @routes.post("/features", response_model=models.Batch, responses=responses(404, 504))
    async def batch(
        request: Request, caller: FeatureReader, asked: models.Asked,
        at_least: AtLeast = [], wait_ms: WaitMs = 2_000,  # noqa: B006
    ) -> Response:  # fmt: skip
        """The features of up to 1,000 persons in one call, in the order of their ids."""
        return respond(request, await lookups.batch(asked.ids, at_least, wait_ms), 0)

    @routes.get("/views/{view}/{id}", response_model=models.View, responses=responses(404, 504))
    async def view(
        request: Request, caller: ViewReader, view: Name, id: Id,
        at_least: AtLeast = [], wait_ms: WaitMs = 2_000,  # noqa: B006
    ) -> Response:  # fmt: skip
        """One entity of a view, as its newest events have left it."""
        return respond(request, await lookups.view(view, id, at_least, wait_ms), MAX_AGE_S)

    @routes.get(
        "/views/{view}/{id}/{keyspace}", response_model=models.Members, responses=responses(404)
    )
    async def members(
        request: Request, caller: ViewReader, view: Name, id: Id,
        keyspace: Annotated[str, Path(max_length=64, examples=["order:history"])],
        limit: Annotated[int, Query(ge=1, le=1_000)] = 100,
        cursor: Annotated[str | None, Query(max_length=512)] = None,
    ) -> Response:  # fmt: skip
        """All members of a sorted set, page by page, the greatest scores first."""
        found = await lookups.members(view, id, keyspace, limit, cursor)
        return respond(request, found, MAX_AGE_S)

    return routes
