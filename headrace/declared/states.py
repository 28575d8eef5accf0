"""Aggregates in ClickHouse: a column's type, the state of some rows, and what a reader sees.

Every column is a state that merges in any order, so parts may meet in any order, too.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from headrace.declared.leaves import ROW
from headrace.declared.plan import Fed, Feed
from headrace.declared.sketch import ACCURACY, MOST
from headrace.declared.value import Type
from headrace.topology.declared import Aggregate

#: Orders the values of first and last: event time, offset, partition, source.
_ORDER: Final = "Tuple(Int64, Int64, Int32, UInt8)"
_TYPES: Final = {"bool": "Bool", "int": "Int64", "float": "Float64", "text": "String", "enum": "String"}  # noqa: E501  # fmt: skip
_ENDS: Final = {"first": "argMin", "last": "argMax"}


def plain(type_: Type) -> str:
    """A column type for values that are never null."""
    if type_.kind == "decimal":
        return f"Decimal(38, {type_.scale})"
    if type_.kind == "time":
        return f"DateTime64({3 if type_.unit == 'ms' else 6}, 'UTC')"
    return _TYPES[type_.kind]


def _nullable(type_: Type) -> str:
    return f"Nullable({plain(type_)})" if type_.nullable else plain(type_)


def column(one: Aggregate, type_: Type) -> str:  # noqa: PLR0911 - a return for each kind
    """The type of a field's column."""
    match one.kind:
        case "count":
            return "SimpleAggregateFunction(sum, UInt64)"
        case "sum":
            return f"SimpleAggregateFunction(sum, {plain(type_)})"
        case "min" | "max":
            return f"SimpleAggregateFunction({one.kind}, {_nullable(type_)})"
        case "first" | "last":
            return f"AggregateFunction({_ENDS[one.kind]}, {_nullable(type_)}, {_ORDER})"
        case "distinct":
            return f"AggregateFunction({_distinct(one)}, {plain(type_)})"
        case "quantiles":
            return f"AggregateFunction({_quantiles(one)}, Float64)"
        case "newest":
            return "SimpleAggregateFunction(maxMap, Map(String, Int64))"
        case "histogram":
            return "SimpleAggregateFunction(sumMap, Map(UInt16, UInt64))"
    return "SimpleAggregateFunction(sumMap, Map(String, UInt64))"


def _distinct(one: Aggregate) -> str:
    return "uniqExact" if one.exact else "uniqCombined64"


def _quantiles(one: Aggregate) -> str:
    levels = ", ".join(map(str, one.levels or ()))
    return f"quantilesDD({one.accuracy or ACCURACY}, {levels})"


# -- What a select makes of a source's rows -------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Asked:
    """``value`` is the field's where ``present``; an empty ``present`` is always."""

    one: Aggregate
    type: Type
    fed: Fed
    feed: Feed
    value: str
    present: str

    @property
    def ms(self) -> str:
        """Event time."""
        return f"toUnixTimestamp64Milli({self.feed.time.sql})"

    def call(self, function: str, arguments: str, parameters: str = "") -> str:
        """The aggregate of the rows that have a value."""
        if not self.present:
            return f"{function}{parameters}({arguments})"
        given = ", ".join(part for part in (arguments, self.present) if part)
        return f"{function}If{parameters}({given})"

    def or_null(self) -> str:
        """The value in its column's type, null where there is none."""
        made = f"CAST({self.value} AS {_nullable(self.type)})"
        return f"if({self.present}, {made}, NULL)" if self.present else made


def state(one: Aggregate, type_: Type, fed: Fed, feed: Feed) -> str:
    """The aggregate of a source's rows, as the column takes it."""
    value = "" if fed.value is None else fed.value.not_null().sql
    return _STATES[one.kind](_Asked(one, type_, fed, feed, value, _present(fed)))


def _present(fed: Fed) -> str:
    """Which rows have a value for a field; empty: all."""
    tests = []
    if fed.where is not None:
        sql = fed.where.sql
        tests.append(f"ifNull({sql}, false)" if fed.where.type.nullable else sql)
    if fed.value is not None and fed.value.type.nullable:
        tests.append(f"({fed.value.sql} IS NOT NULL)")
    if fed.value is not None and fed.real:
        tests.append(f"ifNull(abs({fed.value.sql}) <= {MOST}, false)")
    return " AND ".join(tests)


def _sum(asked: _Asked) -> str:
    scale = asked.type.scale
    decimal = asked.type.kind == "decimal"
    made = f"toDecimal128({asked.value}, {scale})" if decimal else f"toInt64({asked.value})"
    return asked.call("sum", made)


def _extreme(asked: _Asked) -> str:
    return f"{asked.one.kind}({asked.or_null()})"


def _end(asked: _Asked) -> str:
    order = (
        f"CAST(tuple({asked.ms}, {ROW}._offset, {ROW}._partition, {asked.feed.number}) AS {_ORDER})"
    )
    return f"{_ENDS[asked.one.kind]}State({asked.or_null()}, {order})"


def _sketch(asked: _Asked) -> str:
    name, _, parameters = _quantiles(asked.one).partition("(")
    return asked.call(f"{name}State", asked.value, f"({parameters}")


def _histogram(asked: _Asked) -> str:
    tests = (f"toUInt16(ifNull({test.sql}, false))" for test in asked.fed.above)
    return asked.call("sumMap", f"map(toUInt16({' + '.join(tests)}), toUInt64(1))")


_STATES: Final[Mapping[str, Callable[[_Asked], str]]] = {
    "count": lambda asked: asked.call("count", ""),
    "sum": _sum,
    "min": _extreme,
    "max": _extreme,
    "first": _end,
    "last": _end,
    "distinct": lambda asked: asked.call(f"{_distinct(asked.one)}State", asked.value),
    "quantiles": _sketch,
    "top": lambda asked: asked.call("sumMap", f"map({asked.value}, toUInt64(1))"),
    "newest": lambda asked: asked.call("maxMap", f"map({asked.value}, {asked.ms})"),
    "histogram": _histogram,
}


# -- What a reader sees ---------------------------------------------------------------------------


def reading(one: Aggregate, name: str) -> str:  # noqa: PLR0911 - a return for each kind
    """A field finished over the rows of one key; ``v`` is the target."""
    at = f"v.`{name}`"
    match one.kind:
        case "count" | "sum":
            return f"sum({at})"
        case "min" | "max":
            return f"{one.kind}({at})"
        case "first" | "last":
            return f"{_ENDS[one.kind]}Merge({at})"
        case "distinct":
            return f"{_distinct(one)}Merge({at})"
        case "quantiles":
            function, _, parameters = _quantiles(one).partition("(")
            return f"arrayFilter(x -> NOT isNaN(x), {function}Merge({parameters}({at}))"
        case "top":
            return _sliced(f"sumMap({at})", "arraySort(x -> (-toInt64(x.2), x.1), {})", one.n)
        case "newest":
            return _sliced(f"maxMap({at})", "arrayReverseSort(x -> (x.2, x.1), {})", one.n)
    buckets = len(one.bounds or ()) + 1
    return f"arrayMap(i -> sumMap({at})[toUInt16(i)], range({buckets}))"


def _sliced(merged: str, sort: str, n: int | None) -> str:
    second = "UInt64" if merged.startswith("sum") else "Int64"
    pairs = f"CAST({merged} AS Array(Tuple(String, {second})))"
    return f"arraySlice({sort.format(pairs)}, 1, {n})"
