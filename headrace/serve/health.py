"""``/healthz`` and ``/readyz`` of the serving process, for whoever starts and routes to it."""

from __future__ import annotations

from fastapi import APIRouter, FastAPI, Response
from pydantic import BaseModel

from headrace.serve.pipeline.watch import Watch

#: What reads are answered from. Without Kafka they still are, and only the intake waits.
NEEDED = ("clickhouse", "redis")


class Live(BaseModel):
    """The process answers."""

    live: bool


class Ready(BaseModel):
    """``reasons`` say why requests should go elsewhere, ``degraded`` what else is not as it should
    be."""

    ready: bool
    reasons: list[str]
    degraded: list[str]


def include(app: FastAPI, watch: Watch) -> None:
    """Add both. They need no token, so they tell no more than names: /v1/pipeline says why."""
    routes = APIRouter(tags=["health"])

    @routes.get("/healthz")
    async def healthz() -> Live:
        """Whether the process is alive: it is when this is answered."""
        return Live(live=True)

    @routes.get("/readyz", responses={503: {"model": Ready}})
    async def readyz(response: Response) -> Ready:
        """Whether to send requests here. Without any service only schemas are served."""
        found = ready(watch)
        response.status_code = 200 if found.ready else 503
        return found

    app.include_router(routes)


def ready(watch: Watch) -> Ready:
    """The verdict now."""
    if watch.missing is not None:
        return Ready(ready=True, reasons=[], degraded=[watch.missing])
    now = watch.board.now
    down = [name for name, service in now.services.items() if not service.up]
    reasons = [f"{name} does not answer" for name in down if name in NEEDED]
    degraded = [f"{name} does not answer" for name in down if name not in NEEDED]
    return Ready(ready=not reasons, reasons=reasons, degraded=degraded)
