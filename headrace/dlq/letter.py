"""One dead letter, all copies of it together, and the mark that says it was sent back."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace

from confluent_kafka import Message

from headrace import headers as names
from headrace.block import Header
from headrace.dlq.place import Place

_MARK = re.compile(r"origin=(\d+):(\d+) letters=[\d:,]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class Letter:
    """A record that was set aside, known by its ``origin``; without its value.

    ``places`` are its copies in the dead-letter topic as they were read: a worker that died in
    between sets a record aside again. Times are ms since 1970; ``size`` is the value's bytes.
    """

    topic: str
    origin: Place
    places: tuple[Place, ...]
    step: str
    reason: str
    error: str
    agent: str
    schema_id: str
    first_ms: int
    worker: str
    attempts: int
    size: int
    redriven: bool = False

    @property
    def place(self) -> Place:
        """The copy that stands for all."""
        return self.places[0]

    def joined(self, copy: Letter) -> Letter:
        """The same with another copy; it was first seen when the earlier of the two was."""
        first_ms = min(self.first_ms, copy.first_ms)
        return replace(self, places=(*self.places, *copy.places), first_ms=first_ms)


def headers_of(message: Message) -> list[Header]:
    """A message's headers; values that are null are empty."""
    return [(name, value or b"") for name, value in message.headers() or ()]


def read(message: Message) -> Letter | None:
    """The letter that a record of a dead-letter topic is; None if it is something else."""
    found = names.texts(headers_of(message))
    try:
        origin = Place(int(found[names.PARTITION]), int(found[names.OFFSET]))
        topic = found[names.TOPIC]
    except (KeyError, ValueError):
        return None
    timestamp: int = message.timestamp()[1]
    return Letter(
        topic=sys.intern(topic),
        origin=origin,
        places=(Place(message.partition(), message.offset()),),
        step=sys.intern(found.get(names.STEP, "")),
        reason=sys.intern(found.get(names.REASON, "")),
        error=sys.intern(found.get(names.ERROR, "")),
        agent=sys.intern(found.get(names.AGENT, "")),
        schema_id=sys.intern(found.get(names.SCHEMA_ID, "")),
        first_ms=_whole(found.get(names.FIRST_SEEN, ""), timestamp),
        worker=sys.intern(found.get(names.WORKER, "")),
        attempts=max(names.attempts(found), 1),
        size=len(message.value() or b""),
    )


def mark(letter: Letter) -> Header:
    """The header of the record without a value that says: this letter was sent back."""
    letters = ",".join(map(str, letter.places))
    return names.REDRIVEN, f"origin={letter.origin} letters={letters}".encode()


def marked(message: Message) -> Place | None:
    """The origin that a mark names; None if the record is no mark."""
    if message.value() is not None:
        return None
    found = _MARK.fullmatch(names.texts(headers_of(message)).get(names.REDRIVEN, ""))
    return None if found is None else Place(int(found[1]), int(found[2]))


def _whole(text: str, otherwise: int) -> int:
    return int(text) if text.isascii() and text.isdigit() else otherwise
