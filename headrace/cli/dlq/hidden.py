"""What of a dead letter may be private: nothing of it is shown, whether it is encrypted or not."""

from __future__ import annotations

from typing import Any

from headrace.private.fields import HIDDEN, PrivateFields
from headrace.schema import Registry
from headrace.schema.partial import FieldValue, Partial
from headrace.topology.model import Topology
from headrace.topology.privacy import is_private


class Hidden:
    """The private fields of one topic, also under names that they had in older versions."""

    def __init__(self, topology: Topology, topic: str, registry: Registry) -> None:
        declared = topology.topics[topic]
        schema = registry.latest(declared.schema_)
        self._fields = PrivateFields.of(topology, topic, schema)
        self._now = {
            old: field.name
            for field in schema.type.fields
            if is_private(field.props)
            for old in (field.name, *field.aliases)
        }
        self._key_field = declared.key

    def value(self, field: FieldValue) -> Any:
        """The field's value for people; pseudonyms stay."""
        name = self._now.get(field.name, field.name)
        return self._fields.hide({name: field.value})[name]

    def key(self, key: bytes | None) -> bytes | str | None:
        """The record's key, which may be a field that should be a pseudonym."""
        if key is None:
            return None
        text = key.decode(errors="replace")
        shown = self._fields.hide({self._key_field: text})[self._key_field]
        return key if shown == text else HIDDEN

    def places(self, decoded: Partial, size: int) -> set[int]:
        """The bytes of private fields; of a topic that has some, also all that is not decoded."""
        if not self._now:
            return set()
        found = {
            place
            for field in decoded.fields
            if self.value(field) != field.value
            for place in range(field.first, field.behind)
        }
        return found if decoded.failed is None else found | set(range(decoded.at, size))
