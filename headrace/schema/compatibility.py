"""May a schema follow the versions that it follows? The seven levels of Confluent's registry.

A pair of versions passes if Avro's own checker and ``breaks`` find nothing. ``breaks`` names the
field, what breaks and a change that would be safe; it also compares scales and units, which Avro's
checker does not, where reading one as the other would change values in silence.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum

from headrace.errors import HeadraceError
from headrace.schema.breaks import breaks
from headrace.schema.registry import AvroSchema
from headrace.schema.verdict import objections


class Level(str, Enum):
    """What a new version owes to the last one, or, if transitive, to all before it."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def transitive(self) -> bool:
        """All versions count, not only the last one."""
        return self.value.endswith("_TRANSITIVE")

    @property
    def backward(self) -> bool:
        """Readers with the new version must read what was written with old ones."""
        return self.value.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Readers with old versions must read what is written with the new one."""
        return self.value.startswith(("FORWARD", "FULL"))


class Incompatible(HeadraceError):
    """A new version breaks the compatibility level of its schema; the text lists how."""


def faults(new: AvroSchema, older: Sequence[AvroSchema], level: Level) -> list[str]:
    """What ``new`` breaks as the successor of ``older`` (oldest first), a line each."""
    found: list[str] = []
    for old in older if level.transitive else older[-1:]:
        if level.backward:
            who = f"readers with version {new.version} can't read records of version {old.version}"
            found += [f"{who}: {text}" for text in _unreadable(old, new)]
        if level.forward:
            who = f"readers with version {old.version} can't read records of version {new.version}"
            found += [f"{who}: {text}" for text in _unreadable(new, old)]
    return found


def require(new: AvroSchema, older: Sequence[AvroSchema], level: Level) -> None:
    """Raise Incompatible if ``new`` may not follow ``older``."""
    found = faults(new, older, level)
    if found:
        listing = "\n".join(f"  - {fault}" for fault in found)
        raise Incompatible(f"{new.title} is not compatible ({level.value}):\n{listing}")


def _unreadable(writer: AvroSchema, reader: AvroSchema) -> list[str]:
    named = [str(one) for one in breaks(writer.type, reader.type)]
    if named:
        return named
    said = objections(writer, reader)
    return [f"Avro's checker: {', '.join(said)}"] if said else []
