"""Comparisons and logic of expressions, in both engines. Nulls are SQL's, doubles IEEE 754's."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

import polars as pl

from headrace.declared.convert import Unfit, alike, any_null, instant, join, microseconds, reads_of
from headrace.declared.value import Type, Value

COMPARISONS: Final = {"Eq": "=", "NotEq": "!=", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}


def bools(values: Sequence[Value]) -> Sequence[Value]:
    for value in values:
        if value.type.kind != "bool":
            raise Unfit(f"{value.type} is not true or false", "compare it with something")
    return values


def both(values: Sequence[Value]) -> Value:
    a, b = bools(values)
    sql = f"({a.sql} AND {b.sql})"
    return Value(Type("bool", any_null(a, b)), a.expr & b.expr, sql, reads_of(a, b), tests=a.tests | b.tests)  # noqa: E501  # fmt: skip


def either(values: Sequence[Value]) -> Value:
    a, b = bools(values)
    sql = f"({a.sql} OR {b.sql})"
    return Value(Type("bool", any_null(a, b)), a.expr | b.expr, sql, reads_of(a, b), tests=a.tests & b.tests)  # noqa: E501  # fmt: skip


def negation(values: Sequence[Value]) -> Value:
    (a,) = bools(values)
    return Value(a.type, ~a.expr, f"(NOT {a.sql})", **join(a))


def is_null(values: Sequence[Value]) -> Value:
    (a,) = values
    return Value(Type("bool"), a.expr.is_null(), f"({a.sql} IS NULL)", a.reads)


def is_not_null(values: Sequence[Value]) -> Value:
    (a,) = values
    sql = f"({a.sql} IS NOT NULL)"
    return Value(Type("bool"), a.expr.is_not_null(), sql, a.reads, tests=a.strict)


def comparison(name: str) -> Callable[[Sequence[Value]], Value]:
    """``=``, ``<`` and so on."""

    def make(values: Sequence[Value]) -> Value:
        a, b = _comparable(name, values)
        expr = _POLARS[name](a.expr, b.expr)
        if a.type.kind == "float":
            number = a.expr.is_not_nan() & b.expr.is_not_nan()
            ordered = ~number | expr if name == "NotEq" else number & expr
            expr = pl.when(expr.is_not_null()).then(ordered)  # NaN and null: null
        sql = f"({a.sql} {COMPARISONS[name]} {b.sql})"
        return Value(Type("bool", any_null(a, b)), expr, sql, **join(a, b))

    return make


_POLARS: Final[dict[str, Callable[[pl.Expr, pl.Expr], pl.Expr]]] = {
    "Eq": lambda a, b: a == b,
    "NotEq": lambda a, b: a != b,
    "Lt": lambda a, b: a < b,
    "LtEq": lambda a, b: a <= b,
    "Gt": lambda a, b: a > b,
    "GtEq": lambda a, b: a >= b,
}


def _comparable(name: str, values: Sequence[Value]) -> Sequence[Value]:
    a, b = values
    for one, other in ((a, b), (b, a)):
        if one.type.kind == "time" and isinstance(other.literal, str):
            return [_when(v, one) if v is other else v for v in values]
        if one.type.kind == "enum" and isinstance(other.literal, str):
            if name not in ("Eq", "NotEq"):
                raise Unfit("an enum has no order", "compare it with = and <>")
            return [_symbol(v, one) if v is other else v for v in values]
    if "list" in (a.type.kind, b.type.kind):
        raise Unfit("lists don't compare", "use ARRAY_LENGTH")
    return alike(values)


def _when(literal_: Value, time: Value) -> Value:
    text = str(literal_.literal)
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise Unfit(f"{text!r} is no time", "write '2026-01-31T12:00:00Z'") from None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    us = microseconds(at)
    return instant(us // 1_000 if time.type.unit == "ms" else us, time.type.unit)


def _symbol(literal_: Value, enum: Value) -> Value:
    symbol = str(literal_.literal)
    if symbol not in enum.type.symbols:
        known = ", ".join(enum.type.symbols)
        raise Unfit(f"the enum has no symbol {symbol!r}", f"it has: {known}")
    dtype = pl.Enum(enum.type.symbols)
    return replace(literal_, type=replace(enum.type, nullable=False), expr=pl.lit(symbol, dtype))


def within(value: Value, listed: Sequence[Value]) -> Value:
    """``IN``: equal to one of some literals."""
    if not listed or any(one.type.kind == "null" for one in listed):
        raise Unfit("IN needs literals that are not null", "list them")
    equal = comparison("Eq")
    tests = [equal([value, one]) for one in listed]
    if value.type.kind in ("text", "enum", "int"):
        dtype: Any = pl.Int64 if value.type.kind == "int" else pl.String
        if value.type.kind == "enum":
            dtype = pl.Enum(value.type.symbols)
        wanted = pl.Series([one.literal for one in listed], dtype=dtype)
        sql = f"({value.sql} IN ({', '.join(one.sql for one in listed)}))"
        return replace(tests[0], expr=value.expr.is_in(wanted.implode()), sql=sql)
    found = tests[0]
    for test in tests[1:]:
        found = replace(either([found, test]), tests=found.tests)
    return found
