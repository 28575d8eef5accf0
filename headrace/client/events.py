"""Events as people and JSON write them to records as Kafka holds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from headrace.errors import HeadraceError
from headrace.private.fields import PrivateFields
from headrace.private.protect import Forgotten, Protector
from headrace.private.ring import KeyRing
from headrace.schema import EncodeError, Encoder
from headrace.schemas import registry_of
from headrace.topology.model import Topology


class NotAnEvent(HeadraceError):
    """What was given is no event of the topic's schema; the text says why.

    ``field`` is the path of the field that is wrong, empty when it is the whole; ``why`` is the
    text without it. Private values are never quoted.
    """

    def __init__(self, text: str, field: str = "", why: str | None = None) -> None:
        super().__init__(text)
        self.field = field
        self.why = text if why is None else why


class Ready(NamedTuple):
    """A record to send: private fields encrypted, framed Avro."""

    key: bytes
    value: bytes


Event = dict[str, Any]


class Events:
    """Checks events of one topic against its schema's latest version and encodes them.

    Private fields are encrypted. ``ring`` opens the key ring; it is called only for a topic that
    has such fields. Safe to use from many threads.
    """

    def __init__(
        self, root: Path, topology: Topology, topic: str, ring: Callable[[], KeyRing]
    ) -> None:
        """Raises ConfigError when there is no such topic, or no key ring where one is needed."""
        declared = topology.topic(topic)
        self._key = declared.key
        self._encoder = Encoder(registry_of(root, topology), declared.schema_)
        self.schema = self._encoder.schema
        fields = PrivateFields.of(topology, topic, self.schema)
        self._person = fields.person or ""
        self._protector = Protector(fields, ring()) if fields.fields else None

    def ready(self, events: Sequence[Event | NotAnEvent]) -> list[Ready | NotAnEvent]:
        """What each becomes, in order; what is wrong already stays that.

        Raises Transient when the key ring can't be reached.
        """
        given = [event for event in events if isinstance(event, dict)]
        protected = iter(given if self._protector is None else self._protector.protect_all(given))
        return [
            self._one(next(protected)) if isinstance(event, dict) else event for event in events
        ]

    def _one(self, event: Event | EncodeError | Forgotten) -> Ready | NotAnEvent:
        if isinstance(event, EncodeError):
            return _not_an_event(event)
        if isinstance(event, Forgotten):
            return NotAnEvent(str(event), self._person)
        try:
            value = value_of(self._encoder, event)
        except NotAnEvent as error:
            return error
        return Ready(str(event[self._key]).encode(), value)


def event_of(line: bytes) -> Event:
    """The object that a line of JSON says; raises NotAnEvent."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise NotAnEvent(f"not a JSON object: {error}") from None
    return object_of(event)


def object_of(value: Any) -> Event:
    """The value, which must be a JSON object; raises NotAnEvent."""
    if not isinstance(value, dict):
        # Not quoted: it may be private.
        raise NotAnEvent(f"not a JSON object: it is a {type(value).__name__}")
    return value


def value_of(encoder: Encoder, event: Mapping[str, Any]) -> bytes:
    """The event as Kafka holds it; raises NotAnEvent."""
    try:
        return encoder.encode(event)
    except EncodeError as error:
        raise _not_an_event(error) from None
    except RecursionError:
        raise NotAnEvent("not an event: nested too deeply") from None


def _not_an_event(error: EncodeError) -> NotAnEvent:
    return NotAnEvent(str(error), error.field, error.why)
