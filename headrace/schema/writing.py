"""Physical values (as in ``values``) to Avro bytes: the inverse of a node's ``scan``."""

from __future__ import annotations

import struct
from typing import Any

from headrace.schema.types import Array, Enum, Fixed, Map, Primitive, Record, Type, Union
from headrace.schema.values import STRING, TIME_NS, is_decimal


def write(out: bytearray, type_: Type, value: Any) -> None:  # noqa: PLR0912 - a branch a kind
    """Append ``value``, which must be a physical value of ``type_``, to ``out``."""
    match type_:
        case Record():
            for field, item in zip(type_.fields, value, strict=True):
                write(out, field.type, item)
        case Union():
            _union(out, type_, value)
        case Array():
            if value:
                varint(out, len(value))
            for item in value:
                write(out, type_.items, item)
            out.append(0)  # the empty block that ends it
        case Map():
            if value:
                varint(out, len(value))
            for key, item in value:
                write(out, STRING, key)
                write(out, type_.values, item)
            out.append(0)  # the empty block that ends it
        case Primitive() | Fixed() if is_decimal(type_.logical):
            size = type_.size if isinstance(type_, Fixed) else value.bit_length() // 8 + 1
            _bytes(out, type_, value.to_bytes(size, "big", signed=True))
        case Primitive("bytes") | Primitive("string") | Fixed():
            _bytes(out, type_, value)
        case Primitive("boolean"):
            out.append(value)
        case Primitive("float" | "double"):
            out += struct.pack("<f" if type_.kind == "float" else "<d", value)
        case Primitive("int" | "long"):
            factor = TIME_NS.get(type_.logical.name, 1) if type_.logical else 1
            varint(out, value // factor)
        case Enum():
            varint(out, value)


def varint(out: bytearray, value: int) -> None:
    """Zigzag, then 7 bits a byte, the lowest first."""
    raw = (value << 1) ^ (value >> 63)
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    out.append(raw)


def _union(out: bytearray, type_: Union, value: Any) -> None:
    if value is None:
        branch = next(branch for branch in type_.branches if branch.kind == "null")
    elif len(type_.values) == 1:
        branch = type_.values[0]
    else:
        branch, value = next(
            (branch, item)
            for branch, item in zip(type_.values, value, strict=True)
            if item is not None
        )
    varint(out, type_.branches.index(branch))
    write(out, branch, value)


def _bytes(out: bytearray, type_: Type, raw: bytes) -> None:
    if not isinstance(type_, Fixed):
        varint(out, len(raw))
    out += raw
