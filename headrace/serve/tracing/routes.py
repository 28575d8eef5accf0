"""``/v1/events/{event_id}/trace`` and ``/v1/topics/{topic}/sample``."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

from fastapi import APIRouter, Query, Security
from fastapi import Path as InPath

from headrace.client.look import newest
from headrace.errors import ConfigError
from headrace.serve.auth import Caller, calling
from headrace.serve.context import Context
from headrace.serve.problems import Problem
from headrace.serve.tracing.answer import Trace
from headrace.serve.tracing.path import EventPaths, NotFound

#: How long a request waits for the one before it.
TURN_S = 5.0

Reader = Annotated[Caller, Security(calling, scopes=["pipeline:read"])]
EventId = Annotated[str, InPath(max_length=512, examples=["0197f3a2-1c7d-7e35-9a52-0f3f6f0a7c11"])]
Topic = Annotated[str, InPath(max_length=249, examples=["shop.orders"])]


def router(context: Context) -> APIRouter:
    """The routes. They read the log and scan tables, so they answer one request at a time."""
    routes = APIRouter(prefix="/v1", tags=["tracing"])
    turn = threading.Lock()

    @contextmanager
    def my_turn() -> Iterator[None]:
        if not turn.acquire(timeout=TURN_S):
            raise Problem(
                503, "busy", "another event is being traced", headers={"Retry-After": "5"}
            )
        try:
            yield
        except ConfigError as error:
            raise Problem(503, "not-configured", str(error)) from error
        finally:
            turn.release()

    def known(topic: str | None) -> None:
        if topic is not None and topic not in context.topology.topics:
            there = ", ".join(context.topology.topics)
            raise Problem(404, "unknown-topic", f"there is no topic {topic!r}; there are: {there}")

    @routes.get("/events/{event_id}/trace")
    def trace(
        event_id: EventId,
        caller: Reader,
        topic: Annotated[str | None, Query(description="Look in this topic only.")] = None,
    ) -> Trace:
        """Where an event is, what it became, and when. Private fields are hidden."""
        known(topic)
        with my_turn():
            try:
                paths = EventPaths(context.root, context.topology, context.endpoints)
                return paths.trace(event_id, topic)
            except NotFound as error:
                raise Problem(404, "event-not-found", str(error)) from error

    @routes.get("/topics/{topic}/sample")
    def sample(topic: Topic, caller: Reader) -> dict[str, Any]:
        """A topic's newest event, with ``_partition``, ``_offset`` and ``_timestamp`` (ms)."""
        known(topic)
        with my_turn():
            event = newest(context.root, context.topology, topic, context.endpoints.kafka)
        if event is None:
            raise Problem(404, "no-events", f"topic {topic!r} has no event")
        return event

    return routes
