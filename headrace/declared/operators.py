"""Arithmetic and functions of expressions, each with its meaning in both engines.

Integers are 64 bits and wrap, as both engines have it. Decimals are exact: what might need more
than 38 digits is refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import polars as pl

from headrace.declared.convert import (
    NUMBERS,
    Unfit,
    alike,
    any_null,
    as_decimal,
    as_float,
    as_text,
    divisor,
    join,
    reads_of,
    wide,
)
from headrace.declared.logic import bools
from headrace.declared.value import DIGITS, Kind, Type, Value


def plus(values: Sequence[Value]) -> Value:
    """A sum; of text (``||``) one behind the other."""
    if all(value.type.kind == "text" for value in values):
        a, b = values
        expr = a.expr + b.expr
        return Value(Type("text", any_null(a, b)), expr, f"concat({a.sql}, {b.sql})", **join(a, b))
    return _arithmetic("+", values)


def minus(values: Sequence[Value]) -> Value:
    """A difference; of times in their unit."""
    if all(value.type.kind == "time" for value in values):
        a, b = alike(values)
        made = "Milli" if a.type.unit == "ms" else "Micro"
        sql = f"(toUnixTimestamp64{made}({a.sql}) - toUnixTimestamp64{made}({b.sql}))"
        return Value(Type("int", any_null(a, b)), a.expr - b.expr, sql, **join(a, b))
    return _arithmetic("-", values)


def times(values: Sequence[Value]) -> Value:
    return _arithmetic("*", values)


def _arithmetic(sign: str, values: Sequence[Value]) -> Value:
    for value in values:
        if value.type.kind not in NUMBERS:
            raise Unfit(f"{value.type} is no number", "calculate with numbers")
    kinds = {value.type.kind for value in values}
    if "float" in kinds:
        a, b = alike(values)
        return _numbers(sign, Type("float"), a, b, a.sql, b.sql)
    if kinds == {"int"}:
        a, b = values
        return _numbers(sign, Type("int"), a, b, f"toInt64({a.sql})", f"toInt64({b.sql})")
    a, b = values if sign == "*" else alike(values)
    a, b = as_decimal(a, a.type.scale), as_decimal(b, b.type.scale)
    if sign == "*":
        kind = replace(
            a.type, digits=a.type.digits + b.type.digits, scale=a.type.scale + b.type.scale
        )
    else:
        kind = replace(a.type, digits=max(a.type.digits, b.type.digits) + 1)
    if kind.digits > DIGITS:
        raise Unfit(f"would need {kind.digits} digits, a decimal has {DIGITS}", "CAST AS DOUBLE")
    a, b = (replace(v, expr=wide(v, kind.digits)) for v in (a, b))
    return _numbers(sign, kind, a, b, a.sql, b.sql)


def _numbers(sign: str, kind: Type, a: Value, b: Value, left: str, right: str) -> Value:
    expr = {"+": a.expr + b.expr, "-": a.expr - b.expr, "*": a.expr * b.expr}[sign]
    kind = replace(kind, nullable=any_null(a, b))
    return Value(kind, expr, f"({left} {sign} {right})", **join(a, b))


def ratio(values: Sequence[Value]) -> Value:
    """``/``: of whole numbers and doubles, a double."""
    for value in values:
        if value.type.kind not in ("int", "float") and value.literal is None:
            raise Unfit(f"{value.type} has no exact quotient", "CAST it AS DOUBLE")
    a, b = (as_float(value) for value in values)
    return Value(
        Type("float", any_null(a, b)),
        a.expr / divisor(b.expr),
        f"({a.sql} / {b.sql})",
        **join(a, b),
    )


def _divided(values: Sequence[Value], sign: str) -> tuple[Value, int]:
    a, b = values
    if a.type.kind != "int" or not isinstance(b.literal, int) or b.literal <= 0:
        raise Unfit(
            f"{sign} is for a whole number by a positive one that is written out", "use / instead"
        )
    return a, b.literal


def quotient(values: Sequence[Value]) -> Value:
    """``//``: towards zero, as in SQL."""
    a, by = _divided(values, "//")
    return Value(a.type, _towards_zero(a.expr, by), f"intDiv(toInt64({a.sql}), {by})", **join(a))


def remainder(values: Sequence[Value]) -> Value:
    """``%``: has the sign of what is divided, as in SQL."""
    a, by = _divided(values, "%")
    expr = a.expr - _towards_zero(a.expr, by) * by
    return Value(a.type, expr, f"toInt64(toInt64({a.sql}) % {by})", **join(a))


def _towards_zero(number: pl.Expr, by: int) -> pl.Expr:
    """Polars rounds down; this is one more where that is below zero and not exact."""
    up = (number < 0) & (number % by != 0)
    return number // by + up.cast(pl.Int64)


def choice(values: Sequence[Value]) -> Value:
    """``CASE WHEN … THEN … ELSE … END``; a condition that is null is not true."""
    (test,) = bools(values[:1])
    a, b = alike(values[1:])
    kind = _widest(a, b)
    a, b = (replace(v, expr=wide(v, kind.digits)) for v in (a, b))
    expr = pl.when(test.expr).then(a.expr).otherwise(b.expr)
    return Value(kind, expr, f"if({test.sql}, {a.sql}, {b.sql})", reads_of(test, a, b))


def _widest(*values: Value) -> Type:
    digits = max(value.type.digits for value in values)
    return replace(values[0].type, nullable=any_null(*values), digits=digits)


def coalesce(values: Sequence[Value]) -> Value:
    """The first that is not null."""
    made = alike(values)
    kind = _widest(*made)
    made = [replace(v, expr=wide(v, kind.digits)) for v in made]
    kind = replace(kind, nullable=all(v.type.nullable for v in made))
    sql = f"coalesce({', '.join(v.sql for v in made)})"
    return Value(kind, pl.coalesce([v.expr for v in made]), sql, reads_of(*made))


def starts_with(values: Sequence[Value]) -> Value:
    a, b = (as_text(value) for value in values)
    if not isinstance(b.literal, str):
        raise Unfit("what it starts with is not written out", "write STARTS_WITH(field, 'text')")
    sql = f"startsWith({a.sql}, {b.sql})"
    return Value(Type("bool", any_null(a)), a.expr.str.starts_with(b.literal), sql, **join(a))


def length(values: Sequence[Value]) -> Value:
    """Characters of a text."""
    a = as_text(values[0])
    sql = f"toInt64(lengthUTF8({a.sql}))"
    return Value(Type("int", a.type.nullable), a.expr.str.len_chars().cast(pl.Int64), sql, **join(a))  # noqa: E501  # fmt: skip


def entries(values: Sequence[Value]) -> Value:
    """Entries of a list."""
    (a,) = values
    if a.type.kind != "list" or a.type.nullable:
        raise Unfit(f"{a.type} is no list that is always there", "name one")
    return Value(Type("int"), a.expr.list.len().cast(pl.Int64), f"toInt64(length({a.sql}))", **join(a))  # noqa: E501  # fmt: skip


def cast(value: Value, to: Any) -> Value:
    """``CAST``: to text, from whole numbers and decimals to double, and what changes nothing."""
    kinds: dict[str, Kind] = {"Boolean": "bool", "String": "text", "Int64": "int"}
    if to == "Float64":
        return as_float(value)
    if to == "String":
        return as_text(value)
    if kinds.get(str(to)) == value.type.kind:
        return value
    shown = to if isinstance(to, str) else str(to)
    raise Unfit(
        f"a cast of {value.type} to {shown} is not sure to be exact",
        "CAST to DOUBLE, BIGINT or VARCHAR",
    )
