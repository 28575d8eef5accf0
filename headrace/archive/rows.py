"""Blocks as Parquet's rows and back: every byte of a record as Kafka has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl
import pyarrow as pa

from headrace.block import Block, Header, TopicPartition

_TIME = pa.timestamp("ms", tz="UTC")
_HEADERS = pa.list_(pa.struct([("key", pa.string()), ("value", pa.binary())]))
#: One row a record. ``event_time`` is decoded from the value, for who searches by time: null where
#: none is declared, or the value can't be read. ``headers`` is null for a record that has none.
_FIELDS: list[pa.Field[Any]] = [
    pa.field("offset", pa.int64(), nullable=False),
    pa.field("timestamp", _TIME, nullable=False),
    pa.field("event_time", _TIME),
    pa.field("key", pa.binary()),
    pa.field("value", pa.binary()),
    pa.field("headers", _HEADERS),
]
SCHEMA = pa.schema(_FIELDS)


def table_of(
    block: Block, begin: int = 0, end: int | None = None, event_times: Any = None
) -> pa.Table:
    """Records ``[begin, end)`` of a block by index; ``event_times`` are theirs, if known."""
    part = slice(begin, len(block) if end is None else end)
    n = part.stop - part.start
    return pa.Table.from_arrays(
        [
            pa.array(block.offsets[part], pa.int64()),
            pa.array(block.timestamps[part], pa.int64()).cast(_TIME),
            pa.nulls(n, _TIME) if event_times is None else event_times,
            pa.array(block.keys[part], pa.binary()),
            pa.array(block.values[part], pa.binary()),
            _headers(block.headers, part),
        ],
        schema=SCHEMA,
    )


def block_of(tp: TopicPartition, first: int, last: int, rows: pa.Table) -> Block:
    """The records as Block ``[first..last]``. Raises ValueError if they lie outside."""
    return Block(
        tp.topic,
        tp.partition,
        first,
        last,
        _bytes(rows, "value"),
        rows.column("offset").to_numpy(),
        rows.column("timestamp").cast(pa.int64()).to_numpy(),
        _bytes(rows, "key"),
        _header_map(rows.column("headers").combine_chunks()),
    )


def _bytes(rows: pa.Table, name: str) -> Sequence[bytes | None]:
    column = pl.from_arrow(rows.column(name))
    assert isinstance(column, pl.Series)
    return column.to_list()  # twice as fast as Arrow's own


def _headers(headers: Mapping[int, Sequence[Header]], part: slice) -> Any:
    if not headers:
        return pa.nulls(part.stop - part.start, _HEADERS)
    records = (headers.get(index) for index in range(part.start, part.stop))
    rows = [
        None if record is None else [{"key": key, "value": value} for key, value in record]
        for record in records
    ]
    return pa.array(rows, _HEADERS)


def _header_map(column: Any) -> dict[int, tuple[Header, ...]]:
    if column.null_count == len(column):
        return {}
    return {
        index: tuple((header["key"], header["value"]) for header in headers)
        for index, headers in enumerate(column.to_pylist())
        if headers is not None
    }
