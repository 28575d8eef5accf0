"""``/v1/pipeline``: rates, lag, freshness, workers and what is wrong."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Annotated, Any

from fastapi import APIRouter, Response, Security
from fastapi.responses import StreamingResponse

from headrace.serve.auth import Caller, calling
from headrace.serve.pipeline.board import Board
from headrace.serve.pipeline.model import Pipeline
from headrace.serve.pipeline.watch import Watch
from headrace.serve.streams import until

Allowed = Annotated[Caller, Security(calling, scopes=["pipeline:read"])]
FRESH = {"Cache-Control": "no-store"}
_REFUSED: dict[int | str, dict[str, Any]] = {
    401: {"description": "No token, or one that does not hold"},
    403: {"description": "The token has not the scope pipeline:read"},
    503: {"description": "The server does not know where the services are"},
}


def router(watch: Watch) -> APIRouter:
    """The routes over what is watched."""
    routes = APIRouter(prefix="/v1/pipeline", tags=["pipeline"], lifespan=watch.lifespan)

    @routes.get("", response_model=Pipeline, responses=_REFUSED)
    async def pipeline(caller: Allowed) -> Response:
        """The pipeline's state, at most a second old."""
        return Response(watch.board.json, media_type="application/json", headers=FRESH)

    @routes.get(
        "/stream",
        response_class=StreamingResponse,
        responses={200: {"content": {"text/event-stream": {}}}, **_REFUSED},
    )
    async def stream(caller: Allowed) -> StreamingResponse:
        """Server-sent events: the pipeline's state now and each second."""
        events = until(caller.until_ms, _events(watch.board))
        return StreamingResponse(events, media_type="text/event-stream", headers=FRESH)

    return routes


async def _events(board: Board) -> AsyncGenerator[str, None]:
    async for state in board.changes():
        yield f"data: {state}\n\n"
