"""Operators and functions of expressions, each with its meaning in both engines.

Integers are 64 bits and wrap, as both engines have it. Decimals are exact: what might need more
than 38 digits is refused. Floats compare as IEEE 754 says. Nulls are SQL's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import polars as pl

from headrace.declared.value import DIGITS, SHORT, Kind, Type, Value

COMPARISONS: Final = {"Eq": "=", "NotEq": "!=", "Lt": "<", "LtEq": "<=", "Gt": ">", "GtEq": ">="}
_NUMBERS: Final = ("int", "decimal", "float")
#: Digits of an int that becomes a decimal.
_INT_DIGITS = 19
_MOST = 2**63


class Unfit(Exception):
    """An operator that does not fit its operands."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


# -- Literals -------------------------------------------------------------------------------------


def literal(value: Any, dtype: pl.DataType) -> Value:  # noqa: PLR0911 - one for each type
    """A literal as Polars parsed it; None is null, of no type yet."""
    match value:
        case None:
            return Value(Type("null", nullable=True), pl.lit(None), "NULL")
        case bool():
            return Value(Type("bool"), pl.lit(value), str(value).lower(), literal=value)
        case int() if -_MOST <= value < _MOST:
            sql = f"({value})" if value < 0 else str(value)
            return Value(Type("int"), pl.lit(value, pl.Int64), sql, literal=value)
        case float():
            made = pl.lit(value, pl.Float64)
            return Value(Type("float"), made, f"toFloat64('{value!r}')", literal=value)
        case Decimal():
            return _decimal(value)
        case str():
            return Value(Type("text"), pl.lit(value), quoted(value), literal=value)
        case datetime():
            return _instant(_us(value.replace(tzinfo=UTC)), "us")
    raise Unfit(f"{value!r} ({dtype}) is no value of an event's field", "write another literal")


def _decimal(value: Decimal) -> Value:
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    size = max(len(digits) + max(0, int(exponent)), scale + 1)
    if size > DIGITS:
        raise Unfit(f"{value} has {size} digits, a decimal has {DIGITS}", "write fewer")
    expr = _integer(int(value.scaleb(scale)), size)
    type_ = Type("decimal", digits=size, scale=scale)
    return Value(type_, expr, f"toDecimal128('{value:f}', {scale})", literal=value)


def _integer(value: int, digits: int) -> pl.Expr:
    return pl.lit(value, pl.Int64 if digits <= SHORT else pl.Int128)


def _instant(number: int, unit: str) -> Value:
    made = "Milli" if unit == "ms" else "Micro"
    sql = f"fromUnixTimestamp64{made}(toInt64({number}), 'UTC')"
    return Value(Type("time", unit=unit), pl.lit(number, pl.Int64), sql, literal=number)


def quoted(text: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


# -- Making operands alike ------------------------------------------------------------------------


def _join(*values: Value) -> dict[str, frozenset[str]]:
    """Of an operator that is null when one of its operands is."""
    strict = frozenset().union(*(value.strict for value in values))
    return {"reads": _reads(*values), "strict": strict, "tests": strict}


def _reads(*values: Value) -> frozenset[str]:
    return frozenset().union(*(value.reads for value in values))


def _null(*values: Value) -> bool:
    return any(value.type.nullable for value in values)


def as_text(value: Value) -> Value:
    """Text, enums and whole numbers as text."""
    match value.type.kind:
        case "text":
            return value
        case "enum" | "int":
            kind = replace(value.type, kind="text", symbols=())
            string = "Nullable(String)" if value.type.nullable else "String"
            sql = f"CAST({value.sql} AS {string})"
            return Value(kind, value.expr.cast(pl.String), sql, **_join(value))
        case "null":
            return replace(value, type=Type("text", nullable=True), expr=pl.lit(None, pl.String))
    raise Unfit(f"{value.type} is no text", "use text and enums")


def as_float(value: Value) -> Value:
    """A number as a double."""
    match value.type.kind:
        case "float":
            return value
        case "int" | "decimal":
            expr = value.expr.cast(pl.Float64)
            if value.type.scale:
                expr = expr / divisor(pl.lit(float(10**value.type.scale)))
            kind = Type("float", value.type.nullable)
            return Value(kind, expr, _sql_float(value), **_join(value))
    raise Unfit(f"{value.type} is no number", "use numbers")


def divisor(number: pl.Expr) -> pl.Expr:
    """The same doubles as a column: by a single one Polars multiplies with the reciprocal."""
    return number - (pl.int_range(pl.len()) * 0).cast(pl.Float64)


def _sql_float(value: Value) -> str:
    if value.type.kind != "decimal":
        return f"toFloat64({value.sql})"
    if value.type.digits > SHORT:
        raise Unfit(f"{value.type} has more digits than doubles", "use a smaller decimal")
    # Of the unscaled integer, as in Polars.
    power = 10**value.type.scale
    return (
        f"(toFloat64(toInt64(toDecimal128({value.sql}, {value.type.scale}) * {power})) / {power})"
    )


def as_decimal(value: Value, scale: int) -> Value:
    """An int or decimal with so many places, not less than it has."""
    if value.type.kind == "int":
        digits = len(str(abs(value.literal))) if isinstance(value.literal, int) else _INT_DIGITS
        held = replace(value.type, kind="decimal", digits=digits, scale=0)
        expr = value.expr if digits <= SHORT else value.expr.cast(pl.Int128)
        value = replace(value, type=held, expr=expr)
    if value.type.kind != "decimal":
        raise Unfit(f"{value.type} is no decimal", "use whole numbers and decimals")
    more = scale - value.type.scale
    digits = value.type.digits + more
    if digits > DIGITS:
        raise Unfit(f"would need {digits} digits, a decimal has {DIGITS}", "use smaller fields")
    kind = replace(value.type, digits=digits, scale=scale)
    expr = _wide(value, digits)
    if more:
        expr = expr * _integer(10**more, digits)
    return Value(kind, expr, f"toDecimal128({value.sql}, {scale})", **_join(value))


def _wide(value: Value, digits: int) -> pl.Expr:
    """The unscaled integer in the type of so many digits."""
    wide = digits > SHORT and value.type.digits <= SHORT
    return value.expr.cast(pl.Int128) if wide else value.expr


def alike(values: Sequence[Value]) -> list[Value]:
    """Values of different types in the one type that holds them all; raises Unfit."""
    kinds = {value.type.kind for value in values} - {"null"}
    if not kinds:
        raise Unfit("nothing but null", "name a field")
    if kinds <= {"text", "enum"}:
        return [as_text(value) for value in values]
    if "float" in kinds and kinds <= set(_NUMBERS):
        if "decimal" in kinds and any(
            v.type.kind == "decimal" and v.literal is None for v in values
        ):
            raise Unfit("decimals and doubles mix", "CAST the decimal AS DOUBLE")
        return [_typed_null(v, Type("float")) or as_float(v) for v in values]
    if "decimal" in kinds and kinds <= set(_NUMBERS):
        scale = max(value.type.scale for value in values)
        return [
            _typed_null(v, Type("decimal", scale=scale)) or as_decimal(v, scale) for v in values
        ]
    if len(kinds) > 1:
        raise Unfit(f"{' and '.join(sorted(kinds))} mix", "use values of one type")
    (kind,) = kinds
    typed = next(value.type for value in values if value.type.kind == kind)
    if kind == "time" and len({v.type.unit for v in values if v.type.kind == kind}) > 1:
        raise Unfit("milliseconds and microseconds mix", "use times of one unit")
    return [_typed_null(value, typed) or value for value in values]


def _typed_null(value: Value, type_: Type) -> Value | None:
    if value.type.kind != "null":
        return None
    dtype = {"bool": pl.Boolean, "float": pl.Float64, "text": pl.String}.get(type_.kind, pl.Int64)
    return replace(value, type=replace(type_, nullable=True), expr=pl.lit(None, dtype))


# -- Logic ----------------------------------------------------------------------------------------


def _bools(values: Sequence[Value]) -> Sequence[Value]:
    for value in values:
        if value.type.kind != "bool":
            raise Unfit(f"{value.type} is not true or false", "compare it with something")
    return values


def both(values: Sequence[Value]) -> Value:
    a, b = _bools(values)
    sql = f"({a.sql} AND {b.sql})"
    return Value(Type("bool", _null(a, b)), a.expr & b.expr, sql, _reads(a, b), tests=a.tests | b.tests)  # noqa: E501  # fmt: skip


def either(values: Sequence[Value]) -> Value:
    a, b = _bools(values)
    sql = f"({a.sql} OR {b.sql})"
    return Value(Type("bool", _null(a, b)), a.expr | b.expr, sql, _reads(a, b), tests=a.tests & b.tests)  # noqa: E501  # fmt: skip


def negation(values: Sequence[Value]) -> Value:
    (a,) = _bools(values)
    return Value(a.type, ~a.expr, f"(NOT {a.sql})", **_join(a))


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
        return Value(Type("bool", _null(a, b)), expr, sql, **_join(a, b))

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
    us = _us(at)
    return _instant(us // 1_000 if time.type.unit == "ms" else us, time.type.unit)


def _us(at: datetime) -> int:
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


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


# -- Arithmetic -----------------------------------------------------------------------------------


def plus(values: Sequence[Value]) -> Value:
    """A sum; of text (``||``) one behind the other."""
    if all(value.type.kind == "text" for value in values):
        a, b = values
        expr = a.expr + b.expr
        return Value(Type("text", _null(a, b)), expr, f"concat({a.sql}, {b.sql})", **_join(a, b))
    return _arithmetic("+", values)


def minus(values: Sequence[Value]) -> Value:
    """A difference; of times in their unit."""
    if all(value.type.kind == "time" for value in values):
        a, b = alike(values)
        made = "Milli" if a.type.unit == "ms" else "Micro"
        sql = f"(toUnixTimestamp64{made}({a.sql}) - toUnixTimestamp64{made}({b.sql}))"
        return Value(Type("int", _null(a, b)), a.expr - b.expr, sql, **_join(a, b))
    return _arithmetic("-", values)


def times(values: Sequence[Value]) -> Value:
    return _arithmetic("*", values)


def _arithmetic(sign: str, values: Sequence[Value]) -> Value:
    for value in values:
        if value.type.kind not in _NUMBERS:
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
    a, b = (replace(v, expr=_wide(v, kind.digits)) for v in (a, b))
    return _numbers(sign, kind, a, b, a.sql, b.sql)


def _numbers(sign: str, kind: Type, a: Value, b: Value, left: str, right: str) -> Value:
    expr = {"+": a.expr + b.expr, "-": a.expr - b.expr, "*": a.expr * b.expr}[sign]
    kind = replace(kind, nullable=_null(a, b))
    return Value(kind, expr, f"({left} {sign} {right})", **_join(a, b))


def ratio(values: Sequence[Value]) -> Value:
    """``/``: of whole numbers and doubles, a double."""
    for value in values:
        if value.type.kind not in ("int", "float") and value.literal is None:
            raise Unfit(f"{value.type} has no exact quotient", "CAST it AS DOUBLE")
    a, b = (as_float(value) for value in values)
    return Value(
        Type("float", _null(a, b)), a.expr / divisor(b.expr), f"({a.sql} / {b.sql})", **_join(a, b)
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
    return Value(a.type, _towards_zero(a.expr, by), f"intDiv(toInt64({a.sql}), {by})", **_join(a))


def remainder(values: Sequence[Value]) -> Value:
    """``%``: has the sign of what is divided, as in SQL."""
    a, by = _divided(values, "%")
    expr = a.expr - _towards_zero(a.expr, by) * by
    return Value(a.type, expr, f"toInt64(toInt64({a.sql}) % {by})", **_join(a))


def _towards_zero(number: pl.Expr, by: int) -> pl.Expr:
    """Polars rounds down; this is one more where that is below zero and not exact."""
    up = (number < 0) & (number % by != 0)
    return number // by + up.cast(pl.Int64)


# -- Functions ------------------------------------------------------------------------------------


def choice(values: Sequence[Value]) -> Value:
    """``CASE WHEN … THEN … ELSE … END``; a condition that is null is not true."""
    (test,) = _bools(values[:1])
    a, b = alike(values[1:])
    kind = _widest(a, b)
    a, b = (replace(v, expr=_wide(v, kind.digits)) for v in (a, b))
    expr = pl.when(test.expr).then(a.expr).otherwise(b.expr)
    return Value(kind, expr, f"if({test.sql}, {a.sql}, {b.sql})", _reads(test, a, b))


def _widest(*values: Value) -> Type:
    digits = max(value.type.digits for value in values)
    return replace(values[0].type, nullable=_null(*values), digits=digits)


def coalesce(values: Sequence[Value]) -> Value:
    """The first that is not null."""
    made = alike(values)
    kind = _widest(*made)
    made = [replace(v, expr=_wide(v, kind.digits)) for v in made]
    kind = replace(kind, nullable=all(v.type.nullable for v in made))
    sql = f"coalesce({', '.join(v.sql for v in made)})"
    return Value(kind, pl.coalesce([v.expr for v in made]), sql, _reads(*made))


def starts_with(values: Sequence[Value]) -> Value:
    a, b = (as_text(value) for value in values)
    if not isinstance(b.literal, str):
        raise Unfit("what it starts with is not written out", "write STARTS_WITH(field, 'text')")
    sql = f"startsWith({a.sql}, {b.sql})"
    return Value(Type("bool", _null(a)), a.expr.str.starts_with(b.literal), sql, **_join(a))


def length(values: Sequence[Value]) -> Value:
    """Characters of a text."""
    a = as_text(values[0])
    sql = f"toInt64(lengthUTF8({a.sql}))"
    return Value(Type("int", a.type.nullable), a.expr.str.len_chars().cast(pl.Int64), sql, **_join(a))  # noqa: E501  # fmt: skip


def entries(values: Sequence[Value]) -> Value:
    """Entries of a list."""
    (a,) = values
    if a.type.kind != "list" or a.type.nullable:
        raise Unfit(f"{a.type} is no list that is always there", "name one")
    return Value(Type("int"), a.expr.list.len().cast(pl.Int64), f"toInt64(length({a.sql}))", **_join(a))  # noqa: E501  # fmt: skip


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
