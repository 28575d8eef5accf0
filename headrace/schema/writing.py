"""Physical values (as in ``values``) to Avro bytes: the inverse of a node's ``scan``.

A type is looked at once, by :func:`writer`; what is left for each value is a call a part.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from headrace.schema.types import Array, Enum, Fixed, Map, Primitive, Record, Type, Union
from headrace.schema.values import STRING, TIME_NS, is_decimal

#: Appends a physical value of one type.
Write = Callable[[bytearray, Any], None]


def writer(type_: Type) -> Write:
    """Appends physical values of ``type_`` to the bytes it is given."""
    return _Writers().of(type_)


class _Writers:
    """Those of records are kept, because a record may stand within itself."""

    def __init__(self) -> None:
        self._records: dict[int, Write] = {}

    def of(self, type_: Type) -> Write:  # noqa: PLR0911, PLR0912 - one for each kind
        match type_:
            case Record():
                return self._record(type_)
            case Union():
                return self._union(type_)
            case Array():
                return _items(self.of(type_.items))
            case Map():
                return _items(_pair(self.of(STRING), self.of(type_.values)))
            case Fixed() if is_decimal(type_.logical):
                size = type_.size
                return lambda out, value: out.extend(value.to_bytes(size, "big", signed=True))
            case Fixed():
                return bytearray.extend
            case Primitive() if is_decimal(type_.logical):
                return _decimal
            case Primitive("bytes" | "string"):
                return _bytes
            case Primitive("boolean"):
                return bytearray.append
            case Primitive("float" | "double"):
                pack = struct.Struct("<f" if type_.kind == "float" else "<d").pack
                return lambda out, value: out.extend(pack(value))
            case Primitive("int" | "long"):
                factor = TIME_NS.get(type_.logical.name, 1) if type_.logical else 1
                return varint if factor == 1 else lambda out, value: varint(out, value // factor)
            case Enum():
                return varint
            case _:
                return _nothing

    def _record(self, type_: Record) -> Write:
        made = self._records.get(id(type_))
        if made is not None:
            return made
        parts: list[Write] = []

        def record(out: bytearray, value: Any) -> None:
            for write, item in zip(parts, value, strict=True):
                write(out, item)

        self._records[id(type_)] = record
        parts.extend(self.of(field.type) for field in type_.fields)
        return record

    def _union(self, type_: Union) -> Write:
        kinds = [branch.kind for branch in type_.branches]
        null = kinds.index("null") if "null" in kinds else 0
        branches = [
            (i, self.of(branch)) for i, branch in enumerate(type_.branches) if branch.kind != "null"
        ]
        several = len(branches) > 1

        def union(out: bytearray, value: Any) -> None:
            if value is None:
                varint(out, null)
                return
            place, item = 0, value
            if several:
                place, item = next((i, v) for i, v in enumerate(value) if v is not None)
            number, write = branches[place]
            varint(out, number)
            write(out, item)

        return union


def varint(out: bytearray, value: int) -> None:
    """Zigzag, then 7 bits a byte, the lowest first."""
    raw = (value << 1) ^ (value >> 63)
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)


def _items(write: Write) -> Write:
    def items(out: bytearray, value: Any) -> None:
        if value:
            varint(out, len(value))
        for item in value:
            write(out, item)
        out.append(0)  # the empty block that ends it

    return items


def _pair(first: Write, second: Write) -> Write:
    def pair(out: bytearray, value: Any) -> None:
        key, item = value
        first(out, key)
        second(out, item)

    return pair


def _decimal(out: bytearray, value: int) -> None:
    _bytes(out, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def _bytes(out: bytearray, raw: bytes) -> None:
    varint(out, len(raw))
    out += raw


def _nothing(out: bytearray, value: Any) -> None:
    """Null has no bytes."""
