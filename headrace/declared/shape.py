"""What expressions know of a topic's events: types of fields, and which may be null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from headrace.schema.registry import AvroSchema
from headrace.schema.types import Array, Record, Type, Union


@dataclass(frozen=True, slots=True)
class Shape:
    """``nullable`` has fields, those of records in lists as ``<list>.<field>``, and lists."""

    dtypes: Mapping[str, pl.DataType]
    nullable: frozenset[str] = frozenset()

    @classmethod
    def of(cls, schema: AvroSchema) -> Shape:
        """The shape of a schema's frames."""
        dtypes = {column.name: column.dtype for column in schema}
        return cls(dtypes, frozenset(_nullable(schema.type)))


def _nullable(record: Record, prefix: str = "") -> Iterator[str]:
    for field in record.fields:
        name = prefix + field.name
        inner, null = _plain(field.type)
        if null:
            yield name
        if isinstance(inner, Array) and not prefix:
            entry, null = _plain(inner.items)
            if null:
                yield name
            if isinstance(entry, Record):
                yield from _nullable(entry, f"{name}.")


def _plain(type_: Type) -> tuple[Type, bool]:
    """A type without its null; and whether it had one."""
    if isinstance(type_, Union) and len(type_.values) == 1:
        return type_.values[0], type_.nullable
    return type_, type_.kind == "null" or (isinstance(type_, Union) and type_.nullable)
