"""Single values of a reader type: as columns, from a schema's JSON defaults, and to JSON.

The *physical* value of a type is what a column stores: int for every integer, time and decimal
(unscaled), the code for an enum, bytes for strings too, a list in field order for a record, a list
for an array, a list of ``[key, value]`` for a map. A union with one branch beside null is that
branch's value; with more it is a list with one element for each branch, all but one None.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from headrace.schema.columns import Column, Leaf, Nested, Struct
from headrace.schema.cursors import Chunk
from headrace.schema.text import bytes_text, real_json
from headrace.schema.types import (
    Array,
    Enum,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    branch_names,
)
from headrace.schema.views import interned

STRING = Primitive("string")
_NUMBERS = {
    "null": np.bool_,
    "boolean": np.bool_,
    "int": np.int32,
    "long": np.int64,
    "float": np.float32,
    "double": np.float64,
}
#: Polars keeps times of day in nanoseconds.
TIME_NS = {"time-millis": 1_000_000, "time-micros": 1_000}


def is_decimal(logical: Logical | None) -> bool:
    return logical is not None and logical.name == "decimal"


def build(  # noqa: PLR0911 - a return for each kind
    chunk: Chunk, type_: Type, values: Sequence[Any], within: tuple[Record, ...] = ()
) -> Column:
    """A column of physical ``values``; None is null. ``within`` as in :func:`dtypes.dtype`."""
    absent = [value is None for value in values]
    valid = ~np.array(absent, np.bool_) if any(absent) else None
    match type_:
        case Record() if type_ in within:
            return Leaf(interned(chunk, list(values)), valid)
        case Record():
            types = [field.type for field in type_.fields]
            return _struct(chunk, types, values, valid, (*within, type_))
        case Union() if len(type_.values) > 1:
            return _struct(chunk, type_.values, values, valid, within)
        case Union():
            inner = type_.values[0] if type_.values else type_.branches[0]
            return build(chunk, inner, values, within)
        case Array():
            counts = np.array([len(value or ()) for value in values], np.int64)
            items = build(chunk, type_.items, _flat(values), within)
            return Nested(counts, items, valid)
        case Map():
            counts = np.array([len(value or ()) for value in values], np.int64)
            entries = _struct(chunk, (STRING, type_.values), _flat(values), None, within)
            return Nested(counts, entries, valid)
        case Primitive() | Fixed() if is_decimal(type_.logical):
            return Leaf(decimal_words([value or 0 for value in values]), valid)
        case Primitive("bytes") | Primitive("string") | Fixed():
            return Leaf(interned(chunk, list(values)), valid)
        case Primitive() | Enum():
            filled = [0 if value is None else value for value in values]
            return Leaf(np.array(filled, number(type_)), valid)


@dataclass(frozen=True, slots=True)
class Shape:
    """A reader's type where it stands: what columns of it look like."""

    type: Type
    within: tuple[Record, ...] = ()

    def column(self, chunk: Chunk, values: Sequence[Any]) -> Column:
        """A column of physical ``values``."""
        return build(chunk, self.type, values, self.within)

    def repeat(self, chunk: Chunk, value: Any, rows: int) -> Column:
        """A column of ``rows`` times the same value."""
        return self.column(chunk, [value]).take(np.zeros(rows, np.int64))


def number(type_: Primitive | Enum) -> type[np.generic]:
    """The NumPy type of a column of numbers, truth values or enum codes."""
    if isinstance(type_, Enum):
        return np.uint32
    if type_.logical is not None and type_.logical.name in TIME_NS:
        return np.int64
    return _NUMBERS[type_.kind]


def decimal_words(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int64]]:
    """128-bit two's complement, low word first, shape (n, 2)."""
    raw = b"".join(value.to_bytes(16, "little", signed=True) for value in values)
    return np.frombuffer(raw, np.int64).reshape(-1, 2)


def _struct(
    chunk: Chunk,
    types: Sequence[Type],
    values: Sequence[Any],
    valid: Any,
    within: tuple[Record, ...],
) -> Struct:
    fields = [
        build(chunk, type_, [None if v is None else v[i] for v in values], within)
        for i, type_ in enumerate(types)
    ]
    return Struct(fields, len(values), valid)


def _flat(values: Sequence[Any]) -> list[Any]:
    return [item for value in values if value is not None for item in value]


def from_default(type_: Type, default: Any) -> Any:  # noqa: PLR0911 - a return for each kind
    """The physical value of a default as a schema writes it in JSON.

    Records inside themselves are lists here too; :func:`fold` makes JSON text of them.
    """
    match type_:
        case Union():
            first = type_.branches[0]  # a default is of the first branch
            value = from_default(first, default)
            if value is None or len(type_.values) < 2:
                return value
            chosen = type_.values.index(first)
            return [value if i == chosen else None for i in range(len(type_.values))]
        case Record():
            return [from_default(f.type, default.get(f.name, f.default)) for f in type_.fields]
        case Array():
            return [from_default(type_.items, item) for item in default]
        case Map():
            return [[key.encode(), from_default(type_.values, v)] for key, v in default.items()]
        case Enum():
            return type_.symbols.index(default)
        case Fixed() | Primitive("bytes"):
            raw = default.encode("latin-1")  # code points 0 to 255 stand for bytes
            return int.from_bytes(raw, "big", signed=True) if is_decimal(type_.logical) else raw
        case Primitive("string"):
            return default.encode()
        case Primitive():
            if type_.logical is not None:
                return default * TIME_NS.get(type_.logical.name, 1)
            return float(default) if type_.kind in ("float", "double") else default


def fold(shape: Shape, value: Any) -> Any:  # noqa: PLR0911 - a return for each kind
    """The physical value with the records that stand in themselves as JSON text."""
    type_, within = shape.type, shape.within
    if value is None:
        return None
    match type_:
        case Record() if type_ in within:
            return orjson.dumps(to_json(type_, value))
        case Record():
            inner = (*within, type_)
            fields = zip(type_.fields, value, strict=True)
            return [fold(Shape(field.type, inner), item) for field, item in fields]
        case Union() if len(type_.values) > 1:
            branches = zip(type_.values, value, strict=True)
            return [fold(Shape(branch, within), item) for branch, item in branches]
        case Union():
            return fold(Shape(type_.values[0], within), value)
        case Array():
            return [fold(Shape(type_.items, within), item) for item in value]
        case Map():
            return [[key, fold(Shape(type_.values, within), item)] for key, item in value]
        case _:
            return value


def to_json(type_: Type, value: Any) -> Any:  # noqa: PLR0911, PLR0912 - a return for each kind
    """A physical value as JSON that ``Encoder.encode`` takes; times stay numbers."""
    if value is None:
        return None
    match type_:
        case Union() if len(type_.values) > 1:
            named = zip(branch_names(type_), type_.values, value, strict=True)
            return {name: to_json(branch, v) for name, branch, v in named if v is not None}
        case Union():
            return to_json(type_.values[0], value)
        case Record():
            fields = zip(type_.fields, value, strict=True)
            return {field.name: to_json(field.type, v) for field, v in fields}
        case Array():
            return [to_json(type_.items, item) for item in value]
        case Map():
            return {key.decode(): to_json(type_.values, v) for key, v in value}
        case Enum():
            return type_.symbols[value]
        case Primitive() | Fixed() if is_decimal(type_.logical):
            assert type_.logical is not None
            return decimal_text(value, type_.logical.scale)
        case Primitive("string"):
            return value.decode()
        case Primitive("bytes") | Fixed():
            return bytes_text(value)
        case Primitive("float" | "double"):
            return real_json(value)
        case Primitive("int" | "long") if type_.logical is not None:
            return value // TIME_NS.get(type_.logical.name, 1)
        case Primitive():
            return value


def decimal_text(unscaled: int, scale: int) -> str:
    """The exact decimal, all ``scale`` places written."""
    digits = str(abs(unscaled)).rjust(scale + 1, "0")
    whole, places = digits[: len(digits) - scale], digits[len(digits) - scale :]
    return ("-" if unscaled < 0 else "") + whole + ("." + places if scale else "")
