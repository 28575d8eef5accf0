"""``sessions:``: events of one key with no more than a gap between them, kept as one."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from headrace.topology.base import Model, Name, TopicName

#: SQL as Polars reads it. Nested expressions overflow its stack long after this.
Condition = Annotated[str, Field(min_length=1, max_length=4_096)]
Late = Literal["keep", "drop"]
#: Names of keyspaces and agents are made of it.
WindowName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_]*$", max_length=40)]
FORMS = ("count", "sum", "min", "max", "first", "last")


class Aggregate(Model):
    """One field of a session, from those of its events for which ``where`` holds.

    ``count`` is itself a condition: how many events it holds for. ``sum``, ``min`` and ``max`` name
    a number, ``first`` and ``last`` the field that is taken from the first and the last event by
    (event time, offset).
    """

    count: Condition | None = None
    sum: Name | None = None
    min: Name | None = None
    max: Name | None = None
    first: Name | None = None
    last: Name | None = None
    where: Condition | None = None

    @model_validator(mode="after")
    def _one_form(self) -> Aggregate:
        given = [form for form in FORMS if getattr(self, form) is not None]
        if len(given) != 1:
            has = " and ".join(given) or "none"
            raise ValueError(f"give one of {', '.join(FORMS)}; this one has {has}")
        if self.count is not None and self.where is not None:
            raise ValueError("count is a condition itself: leave where out")
        return self

    @property
    def form(self) -> str:
        """Which one it is."""
        return next(form for form in FORMS if getattr(self, form) is not None)

    @property
    def source(self) -> str | None:
        """The field that it reads; None for a count."""
        return None if self.count is not None else str(getattr(self, self.form))

    @property
    def condition(self) -> str | None:
        """What must hold for an event to count."""
        return self.count if self.count is not None else self.where


class Sessions(Model):
    """Sessions of the events of ``reads``, for which ``where`` holds, by the fields of ``key``.

    An event belongs to a session when it lies no more than ``gap_s`` from one of its events. What
    lies ``keep_hours`` before the newest event of the topic's key is final (docs/sessions.md). Each
    change of a session is an event in the topic ``into``.
    """

    doc: str = ""
    owner: str = ""
    reads: TopicName
    #: The first is the topic's key, so that one partition has all events of a session.
    key: Annotated[tuple[Name, ...], Field(min_length=1)]
    time: Name = "occurred_at"
    where: Condition | None = None
    gap_s: Annotated[int, Field(ge=1, le=7 * 86_400)]
    keep_hours: Annotated[int, Field(ge=1, le=24 * 366)]
    #: Of events past ``keep_hours``: a session of its own marked ``late``, or nothing but a count.
    late: Late = "keep"
    fields: dict[Name, Aggregate] = Field(default_factory=dict)
    into: TopicName
