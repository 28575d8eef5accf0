"""Avro types as Polars types (the table is in the package's docstring)."""

from __future__ import annotations

import polars as pl

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

_PRIMITIVE: dict[str, pl.DataType] = {
    "null": pl.Null(),
    "boolean": pl.Boolean(),
    "int": pl.Int32(),
    "long": pl.Int64(),
    "float": pl.Float32(),
    "double": pl.Float64(),
    "bytes": pl.Binary(),
    "string": pl.String(),
    "fixed": pl.Binary(),
}
_LOGICAL: dict[str, pl.DataType] = {
    "date": pl.Date(),
    "time-millis": pl.Time(),
    "time-micros": pl.Time(),
    "timestamp-millis": pl.Datetime("ms", "UTC"),
    "timestamp-micros": pl.Datetime("us", "UTC"),
    "timestamp-nanos": pl.Datetime("ns", "UTC"),
    "local-timestamp-millis": pl.Datetime("ms"),
    "local-timestamp-micros": pl.Datetime("us"),
    "local-timestamp-nanos": pl.Datetime("ns"),
}
KEY, VALUE = "key", "value"  # fields of a map's entries


def dtype(  # noqa: PLR0911 - a return for each kind
    type_: Type, within: tuple[Record, ...] = ()
) -> pl.DataType:
    """The Polars type of ``type_``; ``within`` are the records it stands in."""
    match type_:
        case Primitive() | Fixed():
            return _leaf(type_.kind, type_.logical)
        case Enum():
            return pl.Enum(type_.symbols)
        case Array():
            return pl.List(dtype(type_.items, within))
        case Map():
            entry = [pl.Field(KEY, pl.String()), pl.Field(VALUE, dtype(type_.values, within))]
            return pl.List(pl.Struct(entry))
        case Union():
            return _union(type_, within)
        case Record():
            if type_ in within:
                return pl.String()  # a record inside itself has no finite type: JSON text
            inner = (*within, type_)
            return pl.Struct([pl.Field(f.name, dtype(f.type, inner)) for f in type_.fields])


def _leaf(kind: str, logical: Logical | None) -> pl.DataType:
    if logical is not None and logical.name == "decimal":
        return pl.Decimal(logical.precision, logical.scale)
    if logical is not None and logical.name in _LOGICAL:
        return _LOGICAL[logical.name]
    return _PRIMITIVE[kind]


def _union(union: Union, within: tuple[Record, ...]) -> pl.DataType:
    values = union.values
    if not values:
        return pl.Null()
    if len(values) == 1:
        return dtype(values[0], within)
    names = branch_names(union)
    return pl.Struct([pl.Field(n, dtype(v, within)) for n, v in zip(names, values, strict=True)])
