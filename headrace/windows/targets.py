"""Whether a topic's schema can take what is told to it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import polars as pl

from headrace.schema import AvroSchema
from headrace.topology.model import Topic
from headrace.topology.tree import Path
from headrace.windows.notes import Note

#: The field of the id by which what is sent again is known.
EVENT_ID = "event_id"


class Wanted(NamedTuple):
    """A field that events have; ``at`` is the place in the declaration that asks for it."""

    name: str
    dtype: pl.DataType
    nullable: bool
    at: Path


def check(
    at: Path, name: str, topic: Topic, schema: AvroSchema, wanted: Sequence[Wanted]
) -> Iterator[Note]:
    """Note each field that does not fit, and what of the topic does not."""
    columns = {column.name: column for column in schema}
    for one in wanted:
        column = columns.get(one.name)
        avro = json.dumps(_avro(one))
        if column is None:
            yield Note(
                one.at, one.name, f"schema {schema.title} of topic {name!r} has no such field",
                f"add {avro}",
            )  # fmt: skip
        elif not _takes(column.dtype, one.dtype) or (one.nullable and not column.nullable):
            yield Note(
                one.at, one.name, f"does not fit the field of schema {schema.title}",
                f"make it {avro}",
            )  # fmt: skip
    given = {one.name for one in wanted}
    for field in schema.type.fields:
        if field.name not in given and not field.optional and not columns[field.name].nullable:
            yield Note(
                at, name, f"nothing fills field {field.name!r} of its schema",
                "declare it, or give it a default",
            )  # fmt: skip
    if topic.dedupe is None or topic.dedupe.key != EVENT_ID:
        yield Note(
            at, name, "the topic does not drop what is sent again",
            f"give it dedupe: {{key: {EVENT_ID}, window: 100000}}",
        )  # fmt: skip
    keys = [one.name for one in wanted if one.dtype == pl.String() and not one.nullable]
    if topic.key not in keys:
        yield Note(
            at, name, f"its key {topic.key!r} is not a text that every event has",
            f"key it by one of {', '.join(keys)}",
        )  # fmt: skip


def _takes(target: pl.DataType, source: pl.DataType) -> bool:
    """Whether a field takes every value of the type."""
    if isinstance(source, pl.Enum):
        return target == pl.String() or (
            isinstance(target, pl.Enum) and set(source.categories) <= set(target.categories)
        )
    if isinstance(source, pl.Decimal) and isinstance(target, pl.Decimal):
        return target.scale == source.scale and (target.precision or 0) >= (source.precision or 0)
    if source == pl.Int32():
        return target in (pl.Int32(), pl.Int64())
    return target == source


_PLAIN: Mapping[pl.DataType, Any] = {
    pl.String(): "string",
    pl.Boolean(): "boolean",
    pl.Int32(): "int",
    pl.Int64(): "long",
    pl.Float32(): "float",
    pl.Float64(): "double",
    pl.Binary(): "bytes",
    pl.Date(): {"type": "int", "logicalType": "date"},
}
_UNITS = {"ms": "millis", "us": "micros", "ns": "nanos"}


def _avro(one: Wanted) -> dict[str, Any]:
    """The field as a schema has it."""
    type_ = _type(one.dtype)
    if one.nullable:
        return {"name": one.name, "type": ["null", type_], "default": None}
    return {"name": one.name, "type": type_}


def _type(dtype: pl.DataType) -> Any:
    if isinstance(dtype, pl.Enum):
        return "string"
    if isinstance(dtype, pl.Decimal):
        size = {"precision": dtype.precision, "scale": dtype.scale}
        return {"type": "bytes", "logicalType": "decimal", **size}
    if isinstance(dtype, pl.Datetime):
        local = "" if dtype.time_zone else "local-"
        return {"type": "long", "logicalType": f"{local}timestamp-{_UNITS[dtype.time_unit]}"}
    return _PLAIN[dtype]
