"""Another program's JSON to a topic's event, as the topology declares it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from headrace.client.events import Event, object_of
from headrace.schema.types import Array, Map, Primitive, Record, Type, Union
from headrace.topology.intake import Source

_WHOLE = ("int", "long")
#: Digits of a second that a time has; databases write finer ones.
_DIGITS = {"timestamp-millis": 3, "timestamp-micros": 6, "time-millis": 3, "time-micros": 6}
_FRACTION = re.compile(r"\.\d+")


class Translation:
    """Makes an event of each object. What it can't make fit is left for the encoder to refuse."""

    def __init__(self, sources: Mapping[str, Source], schema: Record) -> None:
        types = {field.name: _value_type(field.type) for field in schema.fields}
        self._fields = [(name, s, types[name]) for name, s in sources.items()]

    def event(self, value: Any) -> Event:
        """The event; a field of which nothing is found is left out. Raises NotAnEvent."""
        given, event = object_of(value), {}
        for name, source, type_ in self._fields:
            found = _taken(source, given, type_)
            if found is not None:
                event[name] = found
        return event


def _value_type(type_: Type) -> Type:
    """Of a type or null, the type."""
    return type_.values[0] if isinstance(type_, Union) and len(type_.values) == 1 else type_


def _taken(source: Source, given: Mapping[str, Any], type_: Type) -> Any:
    if source.from_ is None:
        return source.value
    found = at(given, source.from_)
    if isinstance(found, list) and not isinstance(type_, Array):
        found = found[0] if found else None  # a header that came more than once
    if source.equals is not None:
        return found == source.equals
    if source.map is not None:
        found = source.map.get(str(found))
    if found is None:
        return source.default
    return _fitting(found, source.times, type_)


def at(given: Mapping[str, Any], path: str) -> Any:
    """What a path leads to; None where it leads nowhere."""
    found: Any = given
    for name in path.split("."):
        if not isinstance(found, dict):
            return None
        found = found.get(name)
    return found


def _fitting(found: Any, times: float | None, type_: Type) -> Any:
    """Numbers as text where text is wanted and the other way round, as fine as the field is."""
    if isinstance(found, bool) or isinstance(type_, Record | Map | Array | Union):
        return found
    if isinstance(found, str) and (digits := _digits(type_)) is not None:
        return _FRACTION.sub(lambda fraction: fraction[0][: 1 + digits], found)
    if type_.kind == "string":
        return str(found) if isinstance(found, int | float) else found
    if times is None and type_.kind not in _WHOLE:
        return found
    try:
        number = found if isinstance(found, int | float) else float(found)
        scaled = number if times is None else number * times
        return round(scaled) if type_.kind in _WHOLE else scaled
    except (TypeError, ValueError, OverflowError):
        return found  # a time as text, or nothing that is a number


def _digits(type_: Type) -> int | None:
    """How many digits of a second a field has; None for what is no time."""
    logical = type_.logical if isinstance(type_, Primitive) else None
    return None if logical is None else _DIGITS.get(logical.name)
