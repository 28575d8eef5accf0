"""The answer to a request: what became of each of its events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from headrace.client.events import NotAnEvent
from headrace.serve.intake.batch import Fate, Refused, Stored, Unknown
from headrace.serve.problems import Problem

RETRY_AFTER_S = 5


class FieldError(BaseModel):
    """What is wrong with a field; an empty ``field`` means the event as a whole."""

    field: str
    message: str


class Item(BaseModel):
    """One event, by its place in the body from 0 (an NDJSON line's place among the lines)."""

    index: int
    status: Literal["stored", "rejected"]
    partition: int | None = None
    offset: int | None = None
    errors: list[FieldError] = []


class Report(BaseModel):
    """``accepted`` events are stored at their positions, on all in-sync replicas."""

    accepted: int
    rejected: int
    items: list[Item]


@dataclass(frozen=True, slots=True)
class Answer:
    """A status and a JSON document that is a ``Report``."""

    status: int
    body: bytes


def answer(
    numbers: Sequence[int], wrong: Mapping[int, NotAnEvent], fates: Mapping[int, Fate]
) -> Answer:
    """200 when all are stored, 207 when some are, 422 when all are rejected.

    Raises Problem 503 when the fate of any is unknown; its ``items`` tell those of all.
    """
    items = [
        _wrong(number, wrong[number]) if number in wrong else _fate(number, fates[number])
        for number in numbers
    ]
    unknown = next((fate for fate in fates.values() if isinstance(fate, Unknown)), None)
    if unknown is not None:
        raise Problem(
            503,
            "not-acknowledged",
            f"Kafka did not acknowledge every event ({unknown.why}): those whose status is "
            "'unknown' may be stored or not; send them again with the same ids",
            headers={"Retry-After": str(RETRY_AFTER_S)},
            items=items,
        )
    rejected = sum(item["status"] == "rejected" for item in items)
    report = {"accepted": len(items) - rejected, "rejected": rejected, "items": items}
    status = 200 if not rejected else 207 if rejected < len(items) else 422
    return Answer(status, orjson.dumps(report))


def _wrong(number: int, error: NotAnEvent) -> dict[str, Any]:
    errors = [{"field": error.field, "message": error.why}]
    return {"index": number, "status": "rejected", "errors": errors}


def _fate(number: int, fate: Fate) -> dict[str, Any]:
    match fate:
        case Stored(partition, offset):
            return {"index": number, "status": "stored", "partition": partition, "offset": offset}
        case Refused(why):
            return _wrong(number, NotAnEvent(why))
        case Unknown(why):
            return {**_wrong(number, NotAnEvent(why)), "status": "unknown"}
