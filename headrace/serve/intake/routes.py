"""The routes that take events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

from fastapi import APIRouter, FastAPI, Request, Response, Security
from opentelemetry.context import Context as Trace

from headrace.serve.auth import Caller, calling
from headrace.serve.context import Context
from headrace.serve.intake import body as bodies
from headrace.serve.intake import idempotency
from headrace.serve.intake.body import Form
from headrace.serve.intake.report import Answer, Report
from headrace.serve.intake.room import Room
from headrace.serve.intake.service import Intake
from headrace.serve.problems import Problem
from headrace.telemetry import events as spans
from headrace.topology.intake import Intake as Declared

_EXAMPLE = {"type": "object", "description": "An event as the topic's schema has it."}
_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            Form.JSON.value: {
                "schema": {"oneOf": [_EXAMPLE, {"type": "array", "items": _EXAMPLE}]}
            },
            Form.NDJSON.value: {"schema": {"type": "string"}},
        },
    }
}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"model": Report, "description": "All are stored."},
    207: {"model": Report, "description": "Some are stored, some rejected."},
    422: {"description": "All are rejected (a report), or the key was used before (a problem)."},
    **{
        status: {"description": text}
        for status, text in {
            400: "Not JSON, or no legal Idempotency-Key.",
            403: "The caller may not write events.",
            404: "No such topic.",
            408: "The body did not arrive in time.",
            409: "The first request with this Idempotency-Key is in progress.",
            413: "The body is too large, or has too many events.",
            415: "The body is of another type.",
            429: "Too much is on its way: come again after Retry-After.",
            503: "Kafka did not acknowledge; `items` tell what is known of each event.",
        }.items()
    },
}
Writer = Annotated[Caller, Security(calling, scopes=["events:write"])]


def router(context: Context) -> APIRouter:
    """Routes for events of the topology's topics, and for what it declares under ``intake``."""
    topology, intake, room = context.topology, Intake(context), Room()

    @asynccontextmanager
    async def closing(_: FastAPI) -> AsyncIterator[None]:
        try:
            yield
        finally:
            await intake.close()

    routes = APIRouter(prefix="/v1", tags=["intake"], lifespan=closing)

    async def take(
        request: Request, caller: Caller, topic: str, declared: Declared | None = None
    ) -> Answer:
        form = bodies.form_of(request)
        given = request.headers.get(idempotency.HEADER)
        key = None if given is None else idempotency.key_of(given)
        with room.hold() as hold:
            hold.add(records=1)
            body = await bodies.read(request, hold)
            if key is None:
                return await intake.take(topic, body, form, _trace(request), hold, declared)
            async with intake.answers.once(caller.subject, request.url.path, key, body) as once:
                if once.answer is not None:
                    return once.answer
                made = await intake.take(topic, body, form, _trace(request), hold, declared)
                once.keep(made)
                return made

    @routes.post("/events/{topic}", responses=_ANSWERS, openapi_extra=_BODY)
    async def post_events(topic: str, request: Request, caller: Writer) -> Response:
        """Store events: an object, an array, or NDJSON, up to 10,000, in this order by key."""
        if topic not in topology.topics:
            known = ", ".join(topology.topics)
            raise Problem(404, "unknown-topic", f"no topic {topic!r}; there are: {known}")
        return _response(await take(request, caller, topic))

    @routes.post("/intake/{name}", responses=_ANSWERS, openapi_extra=_BODY)
    async def post_mapped(name: str, request: Request, caller: Writer) -> Response:
        """Store what another program sends in a form of its own, as the topology maps it.

        Such a program repeats what is answered with an error: one that is wrong is answered with
        207, so that it is not sent for ever.
        """
        declared = topology.intake.get(name)
        if declared is None:
            known = ", ".join(topology.intake) or "none"
            raise Problem(404, "unknown-intake", f"no intake {name!r}; there are: {known}")
        made = await take(request, caller, declared.topic, declared)
        return _response(Answer(207, made.body) if made.status == 422 else made)

    return routes


def _response(made: Answer) -> Response:
    return Response(made.body, made.status, media_type="application/json")


def _trace(request: Request) -> Trace | None:
    """The span that the request is part of."""
    return spans.within(request.headers.get(spans.TRACEPARENT, "").encode())
