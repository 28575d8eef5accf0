"""Which fields of a topic are private, and showing its rows without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from headrace.private.cipher import PSEUDONYM as PSEUDONYM_PREFIX
from headrace.private.cipher import context
from headrace.schema import Registry, text
from headrace.schema.registry import AvroSchema
from headrace.schema.types import Union
from headrace.topology.model import Topology
from headrace.topology.privacy import ENCRYPTED, PII, is_private

HIDDEN: Final = "<private>"


@dataclass(frozen=True, slots=True)
class PrivateField:
    """A private field; ``bound`` is what its sealed values are bound to besides the person."""

    name: str
    encrypted: bool
    binary: bool
    bound: bytes

    @property
    def hidden(self) -> str:
        """What stands for a value in a record that is kept without it, as JSON has it."""
        return text.bytes_text(HIDDEN.encode()) if self.binary else HIDDEN


@dataclass(frozen=True, slots=True)
class PrivateFields:
    """The private fields of a topic, and the field that says whose they are (if it has any)."""

    topic: str
    person: str | None
    fields: tuple[PrivateField, ...]

    @classmethod
    def of(cls, topology: Topology, topic: str, schema: AvroSchema) -> PrivateFields:
        """Those that ``schema`` marks. The topology must have passed its checks."""
        fields = []
        for field in schema.type.fields:
            if not is_private(field.props):
                continue
            kind = field.type.values[0] if isinstance(field.type, Union) else field.type
            fields.append(
                PrivateField(
                    field.name,
                    field.props[PII] is ENCRYPTED,
                    kind.kind == "bytes",
                    context(topic, field.name),
                )
            )
        return cls(topic, topology.topics[topic].person, tuple(fields))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(field.name for field in self.fields)

    @property
    def encrypted(self) -> PrivateFields:
        """Without the pseudonyms."""
        return replace(self, fields=tuple(field for field in self.fields if field.encrypted))

    def hide(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row for people: private values as ``<private>``, pseudonyms as they are."""
        shown = dict(row)
        for field in self.fields:
            value = shown.get(field.name)
            kept = not field.encrypted and str(value).startswith(PSEUDONYM_PREFIX)
            if value is not None and not kept:
                shown[field.name] = HIDDEN
        return shown


def private_columns(topology: Topology, registry: Registry) -> dict[str, frozenset[str]]:
    """Names of the private fields by topic, of topics that have any."""
    found = {}
    for name, topic in topology.topics.items():
        names = PrivateFields.of(topology, name, registry.latest(topic.schema_)).names
        if names:
            found[name] = names
    return found
