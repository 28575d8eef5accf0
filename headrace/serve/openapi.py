"""What the description of the API says of all its routes alike."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Query

from headrace.serve.answers import POSITION_HEADER

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem document; members of its own come with some.",
    "required": ["type", "title", "status", "detail", "instance"],
    "properties": {
        "type": {"type": "string", "examples": ["/problems/unknown-dimension"]},
        "title": {"type": "string", "examples": ["Unprocessable Entity"]},
        "status": {"type": "integer", "examples": [422]},
        "detail": {"type": "string"},
        "instance": {"type": "string", "examples": ["/v1/metrics/revenue/series"]},
    },
}
_SAID = {
    400: "The request can't be read",
    401: "No token, or one that does not hold",
    403: "The caller may not see this",
    404: "There is no such thing",
    422: "A parameter is wrong; the detail says which, and what would be right",
    429: "Too many requests",
    503: "A store does not answer",
    504: "The position that was asked for is not reached yet",
}
_HEADERS = {
    "ETag": {"schema": {"type": "string"}, "description": "Names the document, not its position."},
    "Cache-Control": {"schema": {"type": "string"}},
    POSITION_HEADER: {
        "schema": {"type": "string"},
        "description": "JSON: the next offset of each partition, by topic.",
    },
}


def responses(*statuses: int, unchanged: bool = True) -> dict[int | str, dict[str, Any]]:
    """Descriptions of a route's answers: its headers, 304, and problems with these statuses."""
    found: dict[int | str, dict[str, Any]] = {200: {"headers": _HEADERS}}
    if unchanged:
        found[304] = {"description": "The client has it already", "headers": _HEADERS}
    for status in sorted({400, 401, 403, 422, 429, 503, *statuses}):
        content = {"application/problem+json": {"schema": _PROBLEM}}
        found[status] = {"description": _SAID[status], "content": content}
    return found


AtLeast = Annotated[
    list[str],
    Query(
        description="topic:partition:offset of a record that the answer must reflect.",
        examples=["shop.orders:0:1234"],
        max_length=16,
    ),
]
WaitMs = Annotated[
    int, Query(ge=0, le=5_000, description="How long to wait for at_least before giving up.")
]
