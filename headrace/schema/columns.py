"""Columns while they are being decoded: NumPy arrays in Arrow's layout, not yet Arrow.

A node may decode its values in another order than the rows' (array items come by index, unions by
branch), so columns can be *scattered* to rows and *taken* from rows before they become Arrow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from headrace.schema.cursors import Bools, Int64s

#: ``None``: every row has a value.
Valid = Bools | None


@dataclass(slots=True)
class Leaf:
    """One element (or pair of 64-bit words: views, decimals) a row; anything where not valid."""

    data: npt.NDArray[Any]
    valid: Valid = None

    def __len__(self) -> int:
        return len(self.data)

    def scatter(self, index: Int64s, rows: int) -> Leaf:
        data = np.zeros((rows, *self.data.shape[1:]), self.data.dtype)
        data[index] = self.data
        return Leaf(data, _scatter_valid(self.valid, index, rows))

    def take(self, index: Int64s) -> Leaf:
        return Leaf(self.data[index], _take_valid(self.valid, index))

    def joined(self, others: Sequence[Column]) -> Leaf:
        parts = [self, *(_same(other, Leaf) for other in others)]
        return Leaf(np.concatenate([part.data for part in parts]), _join_valid(parts))


@dataclass(slots=True)
class Struct:
    """A column for each field, all of ``rows`` rows."""

    fields: list[Column]
    rows: int
    valid: Valid = None

    def __len__(self) -> int:
        return self.rows

    def scatter(self, index: Int64s, rows: int) -> Struct:
        fields = [column.scatter(index, rows) for column in self.fields]
        return Struct(fields, rows, _scatter_valid(self.valid, index, rows))

    def take(self, index: Int64s) -> Struct:
        fields = [column.take(index) for column in self.fields]
        return Struct(fields, len(index), _take_valid(self.valid, index))

    def joined(self, others: Sequence[Column]) -> Struct:
        parts = [self, *(_same(other, Struct) for other in others)]
        fields = [join(columns) for columns in zip(*(p.fields for p in parts), strict=True)]
        return Struct(fields, sum(map(len, parts)), _join_valid(parts))


@dataclass(slots=True)
class Nested:
    """``counts[row]`` items for each row, all rows' items one after another in ``items``."""

    counts: Int64s
    items: Column
    valid: Valid = None

    def __len__(self) -> int:
        return len(self.counts)

    def scatter(self, index: Int64s, rows: int) -> Nested:
        # The items have to lie in the order of the rows that get them.
        ordered = self if _ascending(index) else self.take(np.argsort(index, kind="stable"))
        counts = np.zeros(rows, np.int64)
        counts[index] = self.counts
        return Nested(counts, ordered.items, _scatter_valid(self.valid, index, rows))

    def take(self, index: Int64s) -> Nested:
        counts = self.counts[index]
        starts = np.cumsum(self.counts) - self.counts
        shift = starts[index] - (np.cumsum(counts) - counts)
        items = np.repeat(shift, counts) + np.arange(int(counts.sum()))
        return Nested(counts, self.items.take(items), _take_valid(self.valid, index))

    def joined(self, others: Sequence[Column]) -> Nested:
        parts = [self, *(_same(other, Nested) for other in others)]
        counts = np.concatenate([part.counts for part in parts])
        return Nested(counts, join([part.items for part in parts]), _join_valid(parts))


Column = Leaf | Struct | Nested


def join(columns: Sequence[Column]) -> Column:
    """The rows of ``columns`` (one or more, of the same shape) one after another."""
    return columns[0].joined(columns[1:]) if len(columns) > 1 else columns[0]


_T = TypeVar("_T", Leaf, Struct, Nested)


def _same(column: Column, kind: type[_T]) -> _T:
    if not isinstance(column, kind):
        raise TypeError(f"can't join a {type(column).__name__} to a {kind.__name__}")
    return column


def _ascending(index: Int64s) -> bool:
    return bool((index[1:] > index[:-1]).all())


def _scatter_valid(valid: Valid, index: Int64s, rows: int) -> Valid:
    result = np.zeros(rows, np.bool_)
    result[index] = True if valid is None else valid
    return None if len(index) == rows and valid is None else result


def _take_valid(valid: Valid, index: Int64s) -> Valid:
    return None if valid is None else valid[index]


def _join_valid(parts: Sequence[Leaf | Struct | Nested]) -> Valid:
    if all(part.valid is None for part in parts):
        return None
    return np.concatenate(
        [np.ones(len(p), np.bool_) if p.valid is None else p.valid for p in parts]
    )
