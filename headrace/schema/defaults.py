"""Do the defaults of a schema's fields fit their types? The ``avro`` package does not look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from headrace.schema.datum import INT_MAX, INT_MIN
from headrace.schema.types import Array, Enum, Fixed, Map, Primitive, Record, Type, Union, describe

_LONG = 2**63


def wrong_defaults(record: Record) -> Iterator[str]:
    """A line for each default that is no value of its field's type, the first branch of a union."""
    met: set[int] = set()
    open_: list[Type] = [record]
    while open_:
        match open_.pop():
            case Record() as inner if id(inner) not in met:
                met.add(id(inner))
                for field in inner.fields:
                    open_.append(field.type)
                    if field.optional and not _fits(field.type, field.default):
                        first = field.type.branches[0] if isinstance(field.type, Union) else None
                        expected = describe(first or field.type)
                        yield f"default {field.default!r} of field {field.name!r} is no {expected}"
            case Array(items):
                open_.append(items)
            case Map(values):
                open_.append(values)
            case Union(branches):
                open_.extend(branches)


def _fits(type_: Type, value: Any) -> bool:  # noqa: PLR0911 - a return for each kind
    match type_:
        case Union():
            return _fits(type_.branches[0], value)
        case Record():
            return isinstance(value, dict) and all(
                _fits(f.type, value[f.name]) if f.name in value else f.optional
                for f in type_.fields
            )
        case Array():
            return isinstance(value, list) and all(_fits(type_.items, item) for item in value)
        case Map():
            return isinstance(value, dict) and all(
                _fits(type_.values, item) for item in value.values()
            )
        case Enum():
            return value in type_.symbols
        case Fixed():
            return _is_bytes(value) and len(value) == type_.size
    return _fits_primitive(type_, value)


def _fits_primitive(type_: Primitive, value: Any) -> bool:  # noqa: PLR0911
    match type_.kind:
        case "null":
            return value is None
        case "boolean":
            return isinstance(value, bool)
        case "string":
            return isinstance(value, str)
        case "bytes":
            return _is_bytes(value)
    if isinstance(value, bool):
        return False
    if type_.kind in ("float", "double"):
        return isinstance(value, int | float)
    low, high = (INT_MIN, INT_MAX) if type_.kind == "int" else (-_LONG, _LONG - 1)
    return isinstance(value, int) and low <= value <= high


def _is_bytes(value: Any) -> bool:
    """Code points 0 to 255 stand for bytes."""
    return isinstance(value, str) and all(ord(character) < 256 for character in value)
