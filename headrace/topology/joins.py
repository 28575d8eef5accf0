"""``joins:``: each event of one topic with what another held or told before it, in event time."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints, model_validator

from headrace.topology.base import Model, Name, TopicName
from headrace.topology.sessions import Condition, Late

#: A field, or a field of the records that ``each`` names: ``lines.quantity``.
Source = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_]\w*(\.[A-Za-z_]\w*)?$")]


class Side(Model):
    """The events of one topic that take part, and what a result has of them.

    With ``each``, a list of records, every one of its records takes part as an event; its fields
    are written ``<each>.<field>``.
    """

    topic: TopicName
    key: Annotated[tuple[Source, ...], Field(min_length=1)]
    time: Name = "occurred_at"
    where: Condition | None = None
    each: Name | None = None
    #: Name in the result → field of the event.
    fields: dict[Name, Source] = Field(default_factory=dict)


class Reference(Side):
    """The side that is looked up: changes of a table, or events of another stream."""

    #: Events that say that the table holds nothing for their key from then on.
    deletes: Condition | None = None


class Join(Model):
    """One result for each event of ``of``, from those of ``with`` that have its key.

    ``as_of``: the last one at or before it, however long ago: what a table held at its event time.
    ``last``, ``first``, ``all``: of those within ``within_s`` before it.
    ``via`` is the topic that brings both sides together, ``into`` that of the results.
    """

    doc: str = ""
    owner: str = ""
    of: Side
    with_: Reference = Field(alias="with")
    match: Literal["as_of", "last", "first", "all"]
    within_s: Annotated[int, Field(ge=0, le=366 * 86_400)] | None = None
    #: An event without a match: a result of its own without the fields of ``with``, or nothing.
    unmatched: Literal["keep", "drop"] = "drop"
    keep_hours: Annotated[int, Field(ge=1, le=24 * 366)]
    #: An event of ``of`` past ``keep_hours``: an unmatched result marked ``late``, or a count.
    late: Late = "keep"
    via: TopicName
    into: TopicName

    @model_validator(mode="after")
    def _bounded(self) -> Join:
        if self.match == "as_of" and self.within_s is not None:
            raise ValueError("as_of looks back as far as it takes: leave within_s out")
        if self.match != "as_of" and self.within_s is None:
            raise ValueError(f"match: {self.match} needs within_s, how far it looks back")
        return self
