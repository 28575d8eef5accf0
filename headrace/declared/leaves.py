"""The fields of a schema as typed values."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy
from typing import Any

import polars as pl

from headrace.declared.shape import Shape
from headrace.declared.value import Kind, Type, Value
from headrace.rules.wrong import Wrong

#: The source table's alias in a view's SELECT, and that of an entry of ``each``.
ROW, ENTRY = "row", "entry"


class Fields:
    """The names that expressions of one source may use: its schema's, those of ``each``, the map's.

    ``known`` are fields that may be null and that no row has null.
    """

    def __init__(self, shape: Shape, each: str | None = None) -> None:
        """Raises Wrong when ``each`` is no list of records."""
        self._dtypes = shape.dtypes
        self._nullable = shape.nullable
        self._each = each
        self._entry: dict[str, pl.DataType] = {}
        self.map: dict[str, Value] = {}
        self.known: frozenset[str] = frozenset()
        if each is not None:
            self._entry = _entry(each, shape.dtypes)
            if each in shape.nullable:
                raise Wrong("each", each, "may be null, or have null entries", "choose another")

    @property
    def names(self) -> list[str]:
        """All there are."""
        entry = [f"{self._each}.{name}" for name in self._entry]
        return [*self.map, *(n for n in self._dtypes if n != self._each), *entry]

    def field(self, name: str) -> Value | None:
        """The value of a plain name; None when there is none."""
        if name in self.map:
            return self.map[name]
        if name not in self._dtypes or name == self._each:
            return None
        return self._leaf(name, self._dtypes[name], pl.col(name), f"{ROW}.`{name}`")

    def inner(self, outer: str, name: str) -> Value | None:
        """The value of a field of an entry of ``each``; None when there is none."""
        if outer != self._each or name not in self._entry:
            return None
        at = f"{outer}.{name}"
        column = pl.col(outer).struct.field(name)
        return self._leaf(at, self._entry[name], column, f"{ENTRY}.`{name}`")

    def knowing(self, more: frozenset[str]) -> Fields:
        """The same where some more fields are not null."""
        made = copy(self)
        made.known = self.known | more
        return made

    def _leaf(self, name: str, dtype: pl.DataType, expr: pl.Expr, sql: str) -> Value:
        found = leaf(name, dtype, name in self._nullable, expr, sql)
        return found.not_null() if name in self.known else found


def _entry(each: str, dtypes: Mapping[str, pl.DataType]) -> dict[str, pl.DataType]:
    dtype = dtypes.get(each)
    if not isinstance(dtype, pl.List) or not isinstance(dtype.inner, pl.Struct):
        lists = [
            name
            for name, one in dtypes.items()
            if isinstance(one, pl.List) and isinstance(one.inner, pl.Struct)
        ]
        raise Wrong(
            "each", each, "is no list of records", f"there are: {', '.join(lists) or 'none'}"
        )
    return {field.name: _instance(field.dtype) for field in dtype.inner.fields}


def _instance(dtype: Any) -> pl.DataType:
    made: pl.DataType = dtype() if isinstance(dtype, type) else dtype
    return made


def leaf(  # noqa: PLR0911 - a return for each kind
    name: str, dtype: pl.DataType, nullable: bool, expr: pl.Expr, sql: str
) -> Value:
    """A field as a value; of type ``null`` when expressions can't use it."""
    one = frozenset({name})

    def of(kind: Kind, made: pl.Expr, said: str = sql, **more: Any) -> Value:
        return Value(Type(kind, nullable, **more), made, said, one, one, one)

    match dtype:
        case pl.Boolean():
            return of("bool", expr)
        case pl.Int32() | pl.Int64():
            return of("int", expr.cast(pl.Int64))
        case pl.Float32() | pl.Float64():
            return of("float", expr.cast(pl.Float64), f"toFloat64({sql})")
        case pl.String():
            return of("text", expr)
        case pl.Enum():
            return of("enum", expr, symbols=tuple(dtype.categories.to_list()))
        case pl.Decimal():
            digits = dtype.precision or 38
            unscaled = expr.to_physical()
            whole = unscaled.cast(pl.Int64) if digits <= 18 else unscaled
            return of("decimal", whole, digits=digits, scale=dtype.scale)
        case pl.Datetime(time_unit=("ms" | "us") as unit, time_zone="UTC"):
            return of("time", expr.dt.epoch(unit), unit=unit)
        case pl.List():
            return of("list", expr)
        case _:
            return of("null", expr)
