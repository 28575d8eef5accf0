"""One value decoded as far as it goes, field by field, with byte positions: for people.

The codec's own nodes decide where it stops, so what is shown as wrong is what the pipeline refused.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from headrace.schema import framing, text
from headrace.schema.datum import Datum, Malformed
from headrace.schema.framing import HEADER_BYTES
from headrace.schema.parts import RecordNode
from headrace.schema.registry import Registry
from headrace.schema.resolve import Unresolvable, compile_record
from headrace.schema.types import Array, Enum, Fixed, Logical, Map, Primitive, Record, Type, Union
from headrace.schema.values import STRING, is_decimal

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class FieldValue:
    """A field in bytes ``[first, behind)`` of the value, as JSON would have it."""

    name: str
    first: int
    behind: int
    value: Any


@dataclass(frozen=True, slots=True)
class Partial:
    """``schema`` says what wrote it. ``failed`` is why it went no further, None if all is well."""

    schema: str | None
    fields: tuple[FieldValue, ...]
    failed: str | None
    #: The byte at which the field that failed begins.
    at: int


def decode(value: bytes, registry: Registry, schema_name: str) -> Partial:
    """Read ``value`` with its writer's schema, as a version of ``schema_name``. Never raises."""
    schema_id = framing.schema_id(value)
    if schema_id is None:
        return Partial(None, (), framing.explain(value), 0)
    writer = registry.find(schema_id)
    if writer is None:
        return Partial(None, (), f"schema id {schema_id} is not registered", 1)
    reader = registry.latest(schema_name)
    failed = None
    try:
        node = compile_record(writer.type, reader.type)
    except Unresolvable as error:
        failed = f"{writer.title} can't be read as {reader.title}: {error}"
        node = compile_record(writer.type, writer.type)
    fields, wrong, at = _fields(value, writer.type, node)
    return Partial(f"{writer.title} (id {schema_id})", fields, wrong or failed, at)


def _fields(
    value: bytes, writer: Record, node: RecordNode
) -> tuple[tuple[FieldValue, ...], str | None, int]:
    datum, fields = Datum(value, HEADER_BYTES), list[FieldValue]()
    datum.depth = 1
    first = datum.at
    try:
        # Steps of the reader's additions come last and have no field of the writer's.
        for field, step in zip(writer.fields, node.steps, strict=False):
            first = datum.at
            try:
                step.node.scan(datum)
            except Malformed as error:
                raise error.within(field.name) from None
            shown = _plain(field.type, Datum(value, first))
            fields.append(FieldValue(field.name, first, datum.at, shown))
        first = datum.at
        datum.finish()
    except Malformed as error:
        return tuple(fields), str(error), first
    return tuple(fields), None, first


def _plain(type_: Type, datum: Datum) -> Any:  # noqa: PLR0911, PLR0912 - a branch for each kind
    """A value that was proven, as JSON would have it."""
    match type_:
        case Record():
            return {field.name: _plain(field.type, datum) for field in type_.fields}
        case Union():
            return _plain(type_.branches[datum.varint()], datum)
        case Array():
            return [_plain(type_.items, datum) for _ in _items(datum)]
        case Map():
            return {_plain(STRING, datum): _plain(type_.values, datum) for _ in _items(datum)}
        case Enum():
            return type_.symbols[datum.varint()]
        case Primitive() | Fixed() if is_decimal(type_.logical):
            assert type_.logical is not None
            raw = datum.take(type_.size) if isinstance(type_, Fixed) else datum.block()
            number = Decimal(int.from_bytes(raw, "big", signed=True))
            return format(number.scaleb(-type_.logical.scale), "f")
        case Fixed():
            return text.bytes_text(datum.take(type_.size))
        case Primitive("bytes"):
            return text.bytes_text(datum.block())
        case Primitive("string"):
            return datum.block().decode()
        case Primitive("boolean"):
            return datum.take(1) == b"\x01"
        case Primitive("float"):
            return text.real_json(struct.unpack("<f", datum.take(4))[0])
        case Primitive("double"):
            return text.real_json(struct.unpack("<d", datum.take(8))[0])
        case Primitive("int" | "long"):
            raw_number = datum.varint()
            return raw_number if type_.logical is None else _time(type_.logical, raw_number)
        case _:
            return None


def _items(datum: Datum) -> Iterator[None]:
    """Once for each item of an array's or a map's blocks."""
    while count := datum.varint():
        if count < 0:
            count = -count
            datum.varint()  # the block's size in bytes, which only who skips it needs
        for _ in range(count):
            yield None


def _time(logical: Logical, raw: int) -> str | int:
    try:
        if logical.name == "date":
            return text.time_text(logical, date(1970, 1, 1) + timedelta(days=raw))
        since = timedelta(microseconds=raw * 1_000_000 // text.unit(logical))
        moment = _EPOCH + since
    except OverflowError:
        return raw  # the writer's, that the reader drops: it need not have a meaning
    if logical.name.startswith("time-"):
        clock: time = moment.time()
        return text.time_text(logical, clock)
    return text.time_text(logical, moment.replace(tzinfo=None if "local" in logical.name else UTC))
