"""Positions as values: what an answer reflects, and what a request waits for."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from headrace.serve.problems import Problem

#: Topic → next offset by partition: every record before it is in the answer.
Position = Mapping[str, Sequence[int]]
_AT_LEAST = re.compile(r"([a-zA-Z0-9._-]{1,249}):([0-9]{1,5}):([0-9]{1,18})")


@dataclass(frozen=True, slots=True)
class AtLeast:
    """A record that an answer must reflect."""

    topic: str
    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.topic}:{self.partition}:{self.offset}"

    def reached(self, position: Position) -> bool:
        """Whether a position is past the record."""
        offsets = position.get(self.topic, ())
        return self.partition < len(offsets) and offsets[self.partition] > self.offset


def parse_at_least(texts: Iterable[str], partitions: Mapping[str, int]) -> tuple[AtLeast, ...]:
    """Records to wait for; raises Problem for one that the answer can never reflect.

    ``partitions`` are the topics that lead to the answer, and their partition counts.
    """
    found = []
    for text in texts:
        match = _AT_LEAST.fullmatch(text)
        if match is None:
            raise _wrong(text, "is not topic:partition:offset")
        record = AtLeast(match[1], int(match[2]), int(match[3]))
        if record.topic not in partitions:
            raise _wrong(text, f"the answer comes from {', '.join(partitions)} only")
        if record.partition >= partitions[record.topic]:
            raise _wrong(text, f"the topic has {partitions[record.topic]} partitions, from 0")
        found.append(record)
    return tuple(found)


def _wrong(text: str, why: str) -> Problem:
    return Problem(422, "invalid-at-least", f"at_least: {text!r}: {why}", parameter="at_least")
