"""The path of one event, as it is answered. Times are ms since 1970."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from pydantic import BaseModel


class Status(StrEnum):
    """What became of an event."""

    WRITTEN = "written"
    #: The workers have not committed so far.
    WAITING = "waiting"
    #: In the dead-letter topic.
    SET_ASIDE = "set_aside"
    #: Committed as applied, and in no table: there is no table for it, or its row was removed.
    NOT_IN_A_TABLE = "not_in_a_table"


class Range(BaseModel):
    """A block's offsets as far as they are known; ``source`` says from what."""

    first: int
    last: int
    source: str


class TracedRow(BaseModel):
    """A row that the agents make of the event."""

    table: str
    columns: dict[str, Any]


class TracedKey(BaseModel):
    """A key of Redis that the event changes, and how (see ``headrace.writes.Kind``)."""

    key: str
    keyspace: str
    changes: list[dict[str, Any]]


class Bucket(BaseModel):
    """The row of a view that the event counts in, by the view's key columns."""

    view: str
    key: dict[str, str]


class Moment(BaseModel):
    """When a step was done."""

    step: str
    at: int


class DeadLetter(BaseModel):
    """Where and why the event was set aside. ``redriven``: it was sent back."""

    place: str
    step: str
    reason: str
    attempts: int
    redriven: bool


class Trace(BaseModel):
    """The path of one event.

    ``summary`` says it in a sentence. ``repeats`` are offsets of later records with the same id
    that were dropped, ``also`` other places where the id was written, ``partition:offset``.
    ``sample`` is the event itself, private fields hidden; None when the log has it no more.
    """

    event_id: str
    topic: str
    partition: int
    offset: int
    status: Status
    summary: str
    produced_at: int | None
    block: Range | None
    rows: list[TracedRow]
    buckets: list[Bucket]
    keys: list[TracedKey]
    times: list[Moment]
    dead_letter: DeadLetter | None
    repeats: list[int]
    also: list[str]
    trace_id: str | None
    sample: dict[str, Any] | None
