"""A request's body: read within bounds, and the JSON values that it holds."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

import orjson
from fastapi import Request
from starlette.requests import ClientDisconnect

from headrace.client.events import Event, NotAnEvent
from headrace.serve.intake.room import Hold
from headrace.serve.problems import Problem

MAX_BYTES = 8 << 20
MAX_EVENTS = 10_000
#: A client that is slower holds room that others need.
PATIENCE_S = 30.0


class Form(Enum):
    """How a body holds its events."""

    JSON = "application/json"
    NDJSON = "application/x-ndjson"


#: Makes an event of a JSON value; raises NotAnEvent.
Reading = Callable[[Any], Event]
Given = list[tuple[int, Event | NotAnEvent]]


def form_of(request: Request) -> Form:
    """What the headers say; JSON if nothing. Raises Problem 415 for what is not read here."""
    coding = request.headers.get("content-encoding", "identity")
    if coding != "identity":
        raise Problem(415, "unsupported-coding", f"Content-Encoding {coding!r}: send it plain")
    declared = request.headers.get("content-type", Form.JSON.value)
    media = declared.partition(";")[0].strip().lower()
    try:
        return Form(media)
    except ValueError:
        known = " or ".join(form.value for form in Form)
        raise Problem(
            415, "unsupported-media-type", f"Content-Type {media!r}: send {known}"
        ) from None


async def read(request: Request, hold: Hold) -> bytes:
    """The whole body.

    Raises Problem 413 past MAX_BYTES, 408 after PATIENCE_S, 400 when it is cut, 429 without room.
    """
    announced = request.headers.get("content-length", "")
    if announced.isdecimal() and int(announced) > MAX_BYTES:
        raise _too_large()
    chunks = bytearray()
    try:
        async with asyncio.timeout(PATIENCE_S):
            async for chunk in request.stream():
                if len(chunks) + len(chunk) > MAX_BYTES:
                    raise _too_large()
                hold.add(nbytes=len(chunk))
                chunks += chunk
    except ClientDisconnect:
        raise Problem(400, "incomplete-body", "the body ended before its end") from None
    except TimeoutError:
        detail = f"the body did not arrive within {PATIENCE_S:.0f} s"
        raise Problem(408, "request-timeout", detail) from None
    return bytes(chunks)


def events(body: bytes, form: Form, reading: Reading) -> Given:
    """The body's events with their numbers from 0; an NDJSON line's is the line's.

    Empty lines are passed over. Raises Problem: 400 when the body is not JSON or neither an object
    nor an array, 413 when it holds more than MAX_EVENTS.
    """
    return [(number, _read(reading, value)) for number, value in _values(body, form)]


def _values(body: bytes, form: Form) -> Iterator[tuple[int, Any]]:
    if form is Form.NDJSON:
        found = 0
        for number, line in enumerate(io.BytesIO(body)):
            if not line.strip():
                continue
            found += 1
            if found > MAX_EVENTS:
                raise _too_many()
            try:
                yield number, orjson.loads(line)
            except orjson.JSONDecodeError as error:
                yield number, NotAnEvent(f"not JSON: {error}")
        return
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "not-json", f"the body is not JSON: {error}") from None
    if not isinstance(value, dict | list):
        raise Problem(
            400, "not-json", f"expected an object or an array of objects, got a {_kind(value)}"
        )
    if isinstance(value, list) and len(value) > MAX_EVENTS:
        raise _too_many()
    yield from enumerate(value if isinstance(value, list) else [value])


def _read(reading: Reading, value: Any) -> Event | NotAnEvent:
    if isinstance(value, NotAnEvent):
        return value
    try:
        return reading(value)
    except NotAnEvent as error:
        return error


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _too_large() -> Problem:
    return Problem(
        413, "body-too-large", f"the body has more than {MAX_BYTES:,} bytes", limit=MAX_BYTES
    )


def _too_many() -> Problem:
    return Problem(
        413, "too-many-events", f"the body has more than {MAX_EVENTS:,} events", limit=MAX_EVENTS
    )
