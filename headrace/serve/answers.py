"""Answers as bytes: a document, the position that it reflects, and its entity tag."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import orjson
from fastapi import Request, Response

from headrace.serve.positions import Position

POSITION_HEADER = "X-Headrace-Position"
#: Where a route leaves, in the request's ASGI scope, what it has answered with.
ANSWERED = "headrace.answered"


class Answered(NamedTuple):
    """The question whose answer the cache keeps, and how long a client may keep it, s."""

    question: Hashable
    max_age_s: int


@dataclass(frozen=True, slots=True)
class Answer:
    """``body`` has the position in it, ``header`` is the same for the answer's head.

    The tag is weak: it names the document without the position. ``question`` is what the cache
    keeps the answer under; None if it is not kept.
    """

    body: bytes
    tag: str
    position: Position
    header: str
    question: Hashable = None


def answer(document: Mapping[str, Any], position: Position) -> Answer:
    """The answer of a document, which must not be empty."""
    data = orjson.dumps(document)
    tag = f'W/"{blake2b(data, digest_size=12).hexdigest()}"'
    shown = orjson.dumps(position)
    return Answer(data[:-1] + b',"position":' + shown + b"}", tag, position, shown.decode())


def respond(request: Request, found: Answer, max_age_s: int) -> Response:
    """200 with the document, or 304 when the client has it. 0: it must ask each time."""
    if found.question is not None:
        request.scope[ANSWERED] = Answered(found.question, max_age_s)
    return response(request.headers.get("if-none-match"), found, max_age_s)


def response(if_none_match: str | None, found: Answer, max_age_s: int) -> Response:
    """As ``respond``, to whoever sent this header."""
    # Private: what a caller may see depends on its token.
    fresh = f"private, max-age={max_age_s}" if max_age_s else "private, no-cache"
    headers = {
        "ETag": found.tag,
        "Cache-Control": fresh,
        POSITION_HEADER: found.header,
    }
    if _has(if_none_match, found.tag):
        return Response(status_code=304, headers=headers)
    return Response(found.body, media_type="application/json", headers=headers)


def _has(if_none_match: str | None, tag: str) -> bool:
    """RFC 9110, 13.1.2: tags are compared weakly."""
    if if_none_match is None:
        return False
    opaque = tag.removeprefix("W/")
    return any(
        given.strip() == "*" or given.strip().removeprefix("W/") == opaque
        for given in if_none_match.split(",")
    )
