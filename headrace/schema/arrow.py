"""Decoded columns to Polars, through Arrow and without a copy where the layouts agree.

Polars itself says which Arrow type each of its types imports from (string views, enums as
dictionaries with the categories in the field's metadata), so nothing here knows its conventions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from headrace.schema.columns import Column, Nested, Struct
from headrace.schema.cursors import Bools, Chunk


class Layout:
    """The Polars schema of a table and the Arrow schema it is imported from."""

    def __init__(self, schema: Mapping[str, pl.DataType]) -> None:
        self.empty = pl.DataFrame(schema=schema)
        self._dtypes = list(schema.values())
        self._schema = self.empty.to_arrow(compat_level=pl.CompatLevel.newest()).schema

    def frame(self, columns: Sequence[Column], chunk: Chunk) -> pl.DataFrame:
        """``columns`` as a frame; strings keep pointing into the chunk's bytes."""
        heap = [buffer(chunk.buffer), pa.py_buffer(bytes(chunk.extra))]
        arrays = [
            to_arrow(column, dtype, field.type, heap)
            for column, dtype, field in zip(columns, self._dtypes, self._schema, strict=True)
        ]
        frame = pl.from_arrow(pa.Table.from_arrays(arrays, schema=self._schema))
        assert isinstance(frame, pl.DataFrame)  # a table gives a frame, an array a series
        return frame


# The stubs have a class for each Arrow type, which would have to be narrowed at every use.
_Arrow = Any


def to_arrow(column: Column, dtype: _Arrow, type_: _Arrow, heap: Sequence[pa.Buffer]) -> _Arrow:
    """``column`` of Polars' ``dtype`` as an Arrow array of ``type_``.

    String views point into the buffers ``heap``.
    """
    rows = len(column)
    if isinstance(dtype, pl.Null):
        return pa.nulls(rows)
    valid = None if column.valid is None else _bitmap(column.valid)
    if isinstance(column, Struct):
        children = [
            to_arrow(child, field.dtype, type_.field(i).type, heap)
            for i, (child, field) in enumerate(zip(column.fields, dtype.fields, strict=True))
        ]
        return pa.StructArray.from_buffers(type_, rows, [valid], children=children)
    if isinstance(column, Nested):
        offsets = np.zeros(rows + 1, np.int64)
        np.cumsum(column.counts, out=offsets[1:])
        items = to_arrow(column.items, dtype.inner, type_.value_type, heap)
        return pa.Array.from_buffers(type_, rows, [valid, buffer(offsets)], children=[items])
    if isinstance(dtype, pl.Enum):
        codes = column.data.astype(type_.index_type.to_pandas_dtype(), copy=False)
        indices: _Arrow = pa.Array.from_buffers(type_.index_type, rows, [valid, buffer(codes)])
        # Not pa.array(): it imports pandas, if that is there, to see whether it was given a Series.
        symbols: _Arrow = dtype.categories.to_arrow(compat_level=pl.CompatLevel.newest())
        return pa.DictionaryArray.from_arrays(indices, symbols, None, type_.ordered, safe=False)
    if isinstance(dtype, pl.Boolean):
        return pa.Array.from_buffers(type_, rows, [valid, _bitmap(column.data)])
    views = heap if isinstance(dtype, pl.String | pl.Binary) else ()
    return pa.Array.from_buffers(type_, rows, [valid, buffer(column.data), *views])


def buffer(array: npt.NDArray[Any]) -> pa.Buffer:
    """The array's memory, shared."""
    return pa.py_buffer(np.ascontiguousarray(array).data)


def _bitmap(mask: Bools) -> pa.Buffer:
    return buffer(np.packbits(mask, bitorder="little"))
