"""Both sides of a join into one topic with the join's key: an agent without state."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from headrace.frame import OFFSET, PARTITION, Frame
from headrace.topology.joins import Join, Side
from headrace.windows.plain import plain
from headrace.writes import NOTHING, Emit, Writes

#: ``due`` is not a side: the event of a timer, by which a key is forgotten.
OF, WITH, DUE = "of", "with", "due"


class Sides:
    """``f(frame)`` for the topics of both sides; a topic may be both."""

    def __init__(self, declared: Join) -> None:
        self._declared = declared

    def __call__(self, frame: Frame) -> Writes:
        """The events that take part, those of ``of`` first; one with a null key takes none."""
        declared = self._declared
        sides = ((OF, declared.of, None), (WITH, declared.with_, declared.with_.deletes))
        events = [
            row
            for name, side, deletes in sides
            if side.topic == frame.topic
            for row in _rows(frame, name, side, deletes).to_dicts()
        ]
        return Writes(events=(Emit(declared.via, events),)) if events else NOTHING


def _rows(frame: Frame, name: str, side: Side, deletes: str | None) -> pl.DataFrame:
    """One row a record of the topic ``via``."""
    df = frame.df if side.where is None else frame.df.filter(pl.sql_expr(side.where))
    item = pl.lit(0, pl.Int32)
    if side.each is not None:
        there = pl.col(side.each).list.len() > 0
        items = pl.int_ranges(pl.col(side.each).list.len(), dtype=pl.Int32)
        df = df.filter(there).with_columns(items.alias("_item")).explode(side.each, "_item")
        item = pl.col("_item")
    types = dict(sources(df.schema, side.each))
    payload: pl.Expr = pl.lit("{}")
    if side.fields:
        values = [
            plain(column(source), types[source]).alias(field)
            for field, source in side.fields.items()
        ]
        payload = pl.struct(values).struct.json_encode()
    if deletes is not None:
        gone = pl.sql_expr(deletes).fill_null(False)
        payload = pl.when(gone).then(pl.lit(None, pl.String)).otherwise(payload)
    parts = [plain(column(source), types[source]).cast(pl.String) for source in side.key]
    rows = df.select(
        _key(parts).alias("key"),
        pl.lit(name).alias("side"),
        pl.col(side.time).dt.epoch("ms").alias("occurred_at"),
        pl.col(PARTITION).alias("source_partition"),
        pl.col(OFFSET).alias("source_offset"),
        item.alias("item"),
        payload.alias("payload"),
    )
    place = pl.concat_str("source_partition", "source_offset", "item", separator="-")
    event_id = pl.concat_str(pl.lit(f"{name}-{frame.topic}-"), place).alias("event_id")
    return rows.filter(pl.col("key").is_not_null()).with_columns(event_id)


def _key(parts: list[pl.Expr]) -> pl.Expr:
    """One field as it is; several with their lengths before them, so that none are confused."""
    if len(parts) == 1:
        return parts[0]
    lengths = (pl.concat_str(part.str.len_bytes(), pl.lit(":"), part) for part in parts)
    return pl.concat_str(*lengths)


def column(source: str) -> pl.Expr:
    """A field, or a field of the record that ``each`` has made of a list."""
    name, _, inner = source.partition(".")
    return pl.col(name).struct.field(inner) if inner else pl.col(name)


def sources(
    schema: Mapping[str, pl.DataType], each: str | None
) -> Iterator[tuple[str, pl.DataType]]:
    """What a side may name, with types: the fields, and those of the records of ``each``."""
    for name, dtype in schema.items():
        yield name, dtype
        record: Any = dtype.inner if isinstance(dtype, pl.List) else dtype
        if name == each and isinstance(record, pl.Struct):
            inner: list[Any] = record.fields
            yield from ((f"{name}.{field.name}", field.dtype) for field in inner)
