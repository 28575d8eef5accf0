"""What the engine sees of an event, and what it asks to be emitted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """``at`` is event time, ``arrived`` the record's time in Kafka, both ms since 1970.

    ``answers`` is the idempotency key of the command that it answers. ``holds`` are the filters of
    the machine that are true of it, ``fields`` what its moves may keep.
    """

    instance: str
    id: str
    type: str
    at: int
    arrived: int
    answers: str | None = None
    holds: frozenset[str] = frozenset()
    fields: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Emitted:
    """Events for the two topics, in the order in which they came to be."""

    commands: list[dict[str, Any]] = field(default_factory=list)
    transitions: list[dict[str, Any]] = field(default_factory=list)
