"""Values from literals, and values of different types made alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import polars as pl

from headrace.declared.value import DIGITS, SHORT, Type, Value

NUMBERS: Final = ("int", "decimal", "float")
#: Digits of an int that becomes a decimal.
_INT_DIGITS = 19
_MOST = 2**63


class Unfit(Exception):
    """An operator that does not fit its operands."""

    def __init__(self, what: str, fix: str) -> None:
        super().__init__(what)
        self.fix = fix


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
            return instant(microseconds(value.replace(tzinfo=UTC)), "us")
    raise Unfit(f"{value!r} ({dtype}) is no value of an event's field", "write another literal")


def _decimal(value: Decimal) -> Value:
    _, digits, exponent = value.as_tuple()
    scale = max(0, -int(exponent))
    size = max(len(digits) + max(0, int(exponent)), scale + 1)
    if size > DIGITS:
        raise Unfit(f"{value} has {size} digits, a decimal has {DIGITS}", "write fewer")
    expr = integer(int(value.scaleb(scale)), size)
    type_ = Type("decimal", digits=size, scale=scale)
    return Value(type_, expr, f"toDecimal128('{value:f}', {scale})", literal=value)


def integer(value: int, digits: int) -> pl.Expr:
    return pl.lit(value, pl.Int64 if digits <= SHORT else pl.Int128)


def instant(number: int, unit: str) -> Value:
    made = "Milli" if unit == "ms" else "Micro"
    sql = f"fromUnixTimestamp64{made}(toInt64({number}), 'UTC')"
    return Value(Type("time", unit=unit), pl.lit(number, pl.Int64), sql, literal=number)


def microseconds(at: datetime) -> int:
    delta = at - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds


def quoted(text: str) -> str:
    """A string literal of ClickHouse."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def join(*values: Value) -> dict[str, frozenset[str]]:
    """Of an operator that is null when one of its operands is."""
    strict = frozenset().union(*(value.strict for value in values))
    return {"reads": reads_of(*values), "strict": strict, "tests": strict}


def reads_of(*values: Value) -> frozenset[str]:
    return frozenset().union(*(value.reads for value in values))


def any_null(*values: Value) -> bool:
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
            return Value(kind, value.expr.cast(pl.String), sql, **join(value))
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
            return Value(kind, expr, _sql_float(value), **join(value))
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
    expr = wide(value, digits)
    if more:
        expr = expr * integer(10**more, digits)
    return Value(kind, expr, f"toDecimal128({value.sql}, {scale})", **join(value))


def wide(value: Value, digits: int) -> pl.Expr:
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
    if "float" in kinds and kinds <= set(NUMBERS):
        if "decimal" in kinds and any(
            v.type.kind == "decimal" and v.literal is None for v in values
        ):
            raise Unfit("decimals and doubles mix", "CAST the decimal AS DOUBLE")
        return [_typed_null(v, Type("float")) or as_float(v) for v in values]
    if "decimal" in kinds and kinds <= set(NUMBERS):
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
