"""JSON-friendly records to framed Avro values, and decoded rows back to JSON.

As JSON: decimals are text or numbers (taken exactly), timestamps numbers of their unit or RFC 3339
text, bytes base64, maps objects. A value of a union of several types is an object with one key, the
name of the branch.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import orjson

from headrace.errors import HeadraceError
from headrace.schema import text
from headrace.schema.datum import INT_MAX, INT_MIN
from headrace.schema.dtypes import KEY, VALUE
from headrace.schema.framing import frame
from headrace.schema.registry import Registry
from headrace.schema.times import time_range
from headrace.schema.types import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    branch_names,
    describe,
)
from headrace.schema.values import STRING, TIME_NS, from_default, is_decimal
from headrace.schema.writing import writer
from headrace.topology.privacy import is_private

_SHOWN: Final = 80  # characters of a wrong value in an error


class EncodeError(HeadraceError):
    """A record does not fit its schema; the text names the field's path, value and type.

    ``field`` is the path within the record, empty for the record itself; ``why`` the rest.
    """

    def __init__(self, path: str, why: str, field: str | None = None) -> None:
        """``path`` begins with the schema's name, unless ``field`` says the one within."""
        super().__init__(f"{path}: {why}")
        self.field = path.partition(".")[2] if field is None else field
        self.why = why


class Encoder:
    """Encodes records with the latest version of one schema. Safe to use from many threads."""

    def __init__(self, registry: Registry, schema_name: str) -> None:
        """Raises ConfigError if the registry lacks the schema."""
        self.schema = registry.latest(schema_name)
        self._write = writer(self.schema.type)

    def encode(self, record: Mapping[str, Any]) -> bytes:
        """The record's value for Kafka, framed.

        Fields with a default may be left out, and so may those that can be null. Raises EncodeError
        for whatever does not fit the schema, unknown fields too.
        """
        out = bytearray()
        self._write(out, _physical(self.schema.type, record, self.schema.name))
        return frame(self.schema.id, bytes(out))

    def to_json(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """A row of a decoded frame as :meth:`encode` takes it; other columns are left out."""
        within = (self.schema.type,)
        fields = [field for field in self.schema.type.fields if field.name in row]
        return {field.name: _shown(field.type, row[field.name], within) for field in fields}


def _wrong(path: str, value: Any, expected: str, why: str = "") -> EncodeError:
    shown = repr(value)
    shown = shown if len(shown) <= _SHOWN else shown[:_SHOWN] + "…"
    return EncodeError(path, f"expected {expected}, got {shown}" + (f" ({why})" if why else ""))


def _physical(type_: Type, value: Any, path: str) -> Any:
    match type_:
        case Record():
            return _record(type_, value, path)
        case Union():
            return _union(type_, value, path)
        case Array():
            if not isinstance(value, Sequence) or isinstance(value, str | bytes):
                raise _wrong(path, value, describe(type_))
            items = enumerate(value)
            return [_physical(type_.items, item, f"{path}[{place}]") for place, item in items]
        case Map():
            if not isinstance(value, Mapping):
                raise _wrong(path, value, describe(type_))
            return [
                [
                    _leaf(STRING, key, f"{path}: key"),
                    _physical(type_.values, item, f"{path}[{key!r}]"),
                ]
                for key, item in value.items()
            ]
        case Enum():
            if value not in type_.symbols:
                raise _wrong(path, value, f"one of {', '.join(type_.symbols)}")
            return type_.symbols.index(value)
        case Primitive() | Fixed():
            return _leaf(type_, value, path)


def _record(type_: Record, value: Any, path: str) -> list[Any]:
    if not isinstance(value, Mapping):
        raise _wrong(path, value, describe(type_))
    names = {field.name: None for field in type_.fields}
    if not value.keys() <= names.keys():
        unknown = [name for name in value if name not in names]
        raise EncodeError(
            path,
            f"no field {', '.join(map(repr, unknown))} in {type_.name}; it has {', '.join(names)}",
            f"{path}.{unknown[0]}".partition(".")[2],
        )
    items: list[Any] = []
    for field in type_.fields:
        inner = f"{path}.{field.name}"
        if field.name in value:
            items.append(_item(field, value[field.name], inner))
        elif field.optional:
            items.append(from_default(field.type, field.default))
        elif isinstance(field.type, Union) and field.type.nullable:
            items.append(None)
        else:
            raise EncodeError(inner, f"missing, expected {describe(field.type)}")
    return items


def _item(field: Field, value: Any, path: str) -> Any:
    try:
        return _physical(field.type, value, path)
    except EncodeError:
        if not is_private(field.props):
            raise
        # A private value is not quoted, and neither is what it contains.
        raise EncodeError(
            path, f"expected {describe(field.type)}, got another value (private, not shown)"
        ) from None


def _union(type_: Union, value: Any, path: str) -> Any:
    values = type_.values
    if value is None and type_.nullable:
        return None
    if len(values) == 1 and value is not None:
        return _physical(values[0], value, path)
    if len(values) < 2:
        raise _wrong(path, value, describe(type_))
    names = branch_names(type_)
    if not isinstance(value, Mapping) or len(value) != 1 or next(iter(value)) not in names:
        raise _wrong(path, value, f"an object with one of the keys {', '.join(names)}")
    (name, inner), *_ = value.items()
    chosen = names.index(name)
    item = _physical(values[chosen], inner, f"{path}.{name}")
    return [item if place == chosen else None for place in range(len(values))]


def _leaf(type_: Primitive | Fixed, value: Any, path: str) -> Any:
    """The physical value of a type without parts."""
    logical = type_.logical
    try:
        if logical is not None and is_decimal(logical):
            return text.raw_decimal(logical, value, _room(type_))
        if logical is not None and type_.kind in ("int", "long"):
            raw = _within(_integer(type_, text.raw_time(logical, value)), *time_range(logical))
            return raw * TIME_NS.get(logical.name, 1)
        return _PLAIN[type_.kind](type_, value)
    except (TypeError, ValueError, OverflowError) as error:
        raise _wrong(path, value, describe(type_), str(error)) from None


def _room(type_: Primitive | Fixed) -> int:
    """The bits of magnitude that a decimal's bytes can hold."""
    return 8 * type_.size - 1 if isinstance(type_, Fixed) else 127


def _integer(type_: Type, value: Any) -> int:
    low, high = (INT_MIN, INT_MAX) if type_.kind == "int" else (-(2**63), 2**63 - 1)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    return _within(value, low, high)


def _within(value: int, low: int, high: int) -> int:
    if not low <= value <= high:
        raise ValueError(f"outside {low} to {high}")
    return value


def _boolean(_: Type, value: Any) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _string(_: Type, value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    return value.encode()  # of a lone surrogate: UnicodeEncodeError, a ValueError


def _real(type_: Type, value: Any) -> float:
    number = text.real(value)
    if type_.kind == "float":
        struct.pack("<f", number)  # OverflowError: too large for 32 bits
    return number


def _bytes(type_: Type, value: Any) -> bytes:
    raw = text.raw_bytes(value)
    if isinstance(type_, Fixed) and len(raw) != type_.size:
        raise ValueError(f"{len(raw)} bytes")
    return raw


def _null(_: Type, value: Any) -> None:
    if value is not None:
        raise TypeError


_PLAIN: Mapping[str, Callable[[Type, Any], Any]] = {
    "null": _null,
    "boolean": _boolean,
    "int": _integer,
    "long": _integer,
    "float": _real,
    "double": _real,
    "string": _string,
    "bytes": _bytes,
    "fixed": _bytes,
}


def _shown(type_: Type, value: Any, within: tuple[Record, ...]) -> Any:  # noqa: PLR0911 - as above
    if value is None:
        return None
    match type_:
        case Record() if type_ in within:
            return orjson.loads(value)
        case Record():
            inner = (*within, type_)
            return {f.name: _shown(f.type, value[f.name], inner) for f in type_.fields}
        case Union() if len(type_.values) > 1:
            named = zip(branch_names(type_), type_.values, strict=True)
            return {
                name: _shown(branch, value[name], within)
                for name, branch in named
                if value[name] is not None
            }
        case Union():
            return _shown(type_.values[0], value, within)
        case Array():
            return [_shown(type_.items, item, within) for item in value]
        case Map():
            return {entry[KEY]: _shown(type_.values, entry[VALUE], within) for entry in value}
        case Primitive() | Fixed() if is_decimal(type_.logical):
            return format(value, "f")
        case Primitive("bytes") | Fixed():
            return text.bytes_text(value)
        case Primitive("float" | "double"):
            return text.real_json(value)
        case Primitive("int" | "long") if type_.logical is not None:
            return text.time_text(type_.logical, value)
        case _:
            return value
