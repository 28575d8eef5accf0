"""What the checks of both declarations share: what is wrong, and where."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from headrace.rules.expressions import check
from headrace.rules.wrong import Wrong
from headrace.schema import AvroSchema
from headrace.topology.privacy import is_private
from headrace.topology.tree import Path
from headrace.windows.fields import EVENT_TIME, Source


class Note(NamedTuple):
    """One thing that is wrong; ``at`` is the place within the declaration."""

    at: Path
    value: Any
    wrong: str
    fix: str


class Sources:
    """The fields of a topic's schema, and what its declaration names of them."""

    def __init__(self, schema: AvroSchema) -> None:
        self._title = schema.title
        self._private = {column.name for column in schema if is_private(column.props)}
        self.dtypes = {column.name: column.dtype for column in schema}
        self.fields = {c.name: Source(c.dtype, c.nullable) for c in schema}

    def named(self, at: Path, name: str) -> Iterator[Note]:
        """Whether there is such a field to keep and to tell."""
        outer = name.partition(".")[0]
        if name not in self.fields:
            known = ", ".join(self.fields)
            yield Note(at, name, f"schema {self._title} has no such field", f"it has: {known}")
        elif outer in self._private:
            yield Note(at, name, "is private: it would be kept and told in clear", "choose another")

    def condition(self, at: Path, text: str | None) -> Iterator[Note]:
        """Whether it is one, of one event's fields that are not private."""
        if text is None:
            return
        try:
            _, names = check(text, self.dtypes)
        except Wrong as error:
            yield Note(at, error.value, error.wrong, error.fix)
            return
        for name in names:
            yield from self.named(at, name)

    def time(self, at: Path, name: str) -> Iterator[Note]:
        """Whether every event has the field, in milliseconds."""
        wrong = list(self.named(at, name))
        yield from wrong
        if not wrong and self.fields[name] != Source(EVENT_TIME):
            yield Note(
                at, name, "not a timestamp-millis that every event has", "choose a field that is"
            )


def known_topic(at: Path, name: str, topics: Mapping[str, Any]) -> Iterator[Note]:
    """Whether there is such a topic."""
    if name not in topics:
        yield Note(at, name, "no such topic", f"declared: {', '.join(topics)}")
