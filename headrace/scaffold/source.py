"""The topic that a skeleton reads: its key, its time, an event to test with."""

from __future__ import annotations

import pprint
from collections.abc import Collection, Mapping
from functools import cached_property
from typing import Any

from headrace.errors import ConfigError
from headrace.lineage.samples import event
from headrace.schema import AvroSchema
from headrace.schema.types import Enum, Field, Fixed, Logical, Primitive, Type, Union
from headrace.testing import Project

#: 2026-03-01T12:00:00Z, in seconds.
NOON_S = 1_772_366_400
_TICKS = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}
#: How many samples are tried until the topic's rules let one through.
TRIES = 64


class Topic:
    """A topic of a project; raises ConfigError where a skeleton can't be made for it."""

    def __init__(self, project: Project, name: str | None, set_: Collection[str] = ()) -> None:
        """Without a name: the only topic there is. ``set_``: fields that its event must have."""
        topics = project.topology.topics
        if name is None and len(topics) > 1:
            raise ConfigError(f"--topic: name one of {', '.join(topics)}")
        self.name = name if name is not None else next(iter(topics))
        self._declared = project.topology.topic(self.name)
        self._project = project
        self._set = set_
        self.schema: AvroSchema = project.schema(self.name)
        self.key = self._declared.key
        self._fields = {field.name: field for field in self.schema.type.fields}

    def field(self, option: str, name: str) -> Field:
        """A field that an option names."""
        if name not in self._fields:
            raise ConfigError(
                f"{option} {name!r}: {self.name} has no such field; it has: "
                f"{', '.join(self._fields)}"
            )
        return self._fields[name]

    @cached_property
    def time(self) -> Field:
        """The field of event time: the first that is a point in time."""
        for one in self._fields.values():
            found = logical(one.type)
            if found and found.name.startswith("timestamp-") and not nullable(one.type):
                return one
        raise ConfigError(f"{self.name}: its schema has no timestamp to have minutes by")

    @property
    def ticks(self) -> int:
        """Units of the time in a second."""
        found = logical(self.time.type)
        assert found is not None
        return _TICKS[found.name.rpartition("-")[2]]

    def table(self) -> str:
        """The raw table that has the topic's events."""
        for name, table in self._project.topology.clickhouse.tables.items():
            if table.topic == self.name:
                return name
        raise ConfigError(
            f"{self.name}: no table under clickhouse.tables holds it, so no view can read it; add "
            "one, and an agent that writes it"
        )

    @cached_property
    def event(self) -> dict[str, Any]:
        """An event that fits the schema and passes the topic's rules."""
        for row in range(TRIES):
            made = event(self.schema.type, self._declared.rules, row)
            complete = all(made.get(name) is not None for name in self._set)
            if complete and not self._project.frame(self.name, [made]).bad:
                return made
        raise ConfigError(
            f"{self.name}: no sample of its schema passes its rules; write one by hand"
        )

    @cached_property
    def event_text(self) -> str:
        """The same as it stands in a test."""
        return shown(self.event)


def shown(values: Mapping[str, Any]) -> str:
    """A dictionary as source, a line an item."""
    lines = []
    for key, value in values.items():
        text = pprint.pformat(value, width=80 - len(key), sort_dicts=False)
        lines.append(f"    {key!r}: {text.replace(chr(10), chr(10) + ' ' * (len(key) + 8))},\n")
    return "{\n" + "".join(lines).replace("'", '"') + "}"


def logical(type_: Type) -> Logical | None:
    """The logical type, of the one branch that is not null."""
    inner = plain(type_)
    return inner.logical if isinstance(inner, Primitive | Fixed) else None


def plain(type_: Type) -> Type:
    """The type without null."""
    return type_.values[0] if isinstance(type_, Union) and len(type_.values) == 1 else type_


def is_text(type_: Type) -> bool:
    """Whether values are text, or symbols."""
    inner = plain(type_)
    return isinstance(inner, Enum) or (inner.kind == "string" and logical(inner) is None)


def nullable(type_: Type) -> bool:
    """Whether a value may be missing."""
    return isinstance(type_, Union) and type_.nullable
