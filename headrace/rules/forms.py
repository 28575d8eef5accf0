"""The forms that a rule on one field takes, as expressions: true where the rule holds."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

import polars as pl

from headrace.rules import references
from headrace.rules.rule import Rule
from headrace.rules.wrong import Wrong

Form = Callable[[Rule, pl.Expr, pl.DataType], pl.Expr]


def one_of(rule: Rule, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Equal to one of the listed strings, symbols or integers."""
    assert rule.one_of is not None
    wanted: type = int if dtype.is_integer() else str
    if not (dtype.is_integer() or _is_text(dtype)):
        raise _unfit(rule, "one_of", dtype, "strings, enums and integers")
    for value in rule.one_of:
        if not isinstance(value, wanted):
            raise Wrong(
                "one_of", value, f"field {rule.field!r} is {dtype}", f"list {wanted.__name__}s"
            )
        if isinstance(dtype, pl.Enum) and value not in dtype.categories:
            symbols = ", ".join(dtype.categories)
            raise Wrong("one_of", value, "the enum has no such symbol", f"it has: {symbols}")
    if isinstance(dtype, pl.Enum):
        return column.is_in(pl.Series(rule.one_of, dtype=dtype).implode())
    if wanted is str:
        return column.is_in(pl.Series(rule.one_of, dtype=pl.String).implode())
    return pl.any_horizontal([column == value for value in rule.one_of])


def pattern(rule: Rule, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Has a match of a regular expression (Rust's) anywhere in it."""
    assert rule.pattern is not None
    if not _is_text(dtype):
        raise _unfit(rule, "pattern", dtype, "strings and enums")
    try:
        pl.Series([""]).str.contains(rule.pattern)
    except pl.exceptions.PolarsError as error:
        said = [line for line in str(error).splitlines() if line.startswith("error")]
        what = said[0] if said else str(error).splitlines()[0]
        raise Wrong(
            "pattern", rule.pattern, f"not a regular expression: {what}", "mend it"
        ) from error
    return _matches(column, dtype, rule.pattern)


def bounds(rule: Rule, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Within ``min`` and ``max``, both included. NaN is in no range."""
    if not dtype.is_numeric():
        raise _unfit(rule, "min" if rule.min is not None else "max", dtype, "numbers")
    if rule.min is not None and rule.max is not None and rule.min > rule.max:
        raise Wrong("min", str(rule.min), f"more than max ({rule.max})", "exchange them")
    parts = []
    if dtype.is_float():
        column = column.cast(pl.Float64)
        parts.append(column.is_not_nan())
    if rule.min is not None:
        parts.append(column >= _limit("min", rule.min, dtype, ROUND_CEILING))
    if rule.max is not None:
        parts.append(column <= _limit("max", rule.max, dtype, ROUND_FLOOR))
    holds = parts[0]
    for part in parts[1:]:
        holds &= part
    return holds


def reference(rule: Rule, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """One of a standard's codes, or of its form."""
    assert rule.is_ is not None
    if rule.is_ not in references.NAMES:
        known = ", ".join(references.NAMES)
        raise Wrong("is", rule.is_, "no such reference", f"known: {known}")
    if not _is_text(dtype):
        raise _unfit(rule, "is", dtype, "strings and enums")
    codes = references.CODES.get(rule.is_)
    if codes is None:
        return _matches(column, dtype, references.PATTERNS[rule.is_])
    if isinstance(dtype, pl.Enum):
        return _symbols(column, dtype, lambda symbol: symbol in codes)
    return column.is_in(pl.Series(codes).implode())


def required(rule: Rule, column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Is there."""
    return column.is_not_null()


FORMS: Final[dict[str, Form]] = {
    "one_of": one_of,
    "pattern": pattern,
    "min": bounds,
    "is": reference,
    "required": required,
}


def _is_text(dtype: pl.DataType) -> bool:
    return isinstance(dtype, pl.String | pl.Enum)


def _unfit(rule: Rule, part: str, dtype: pl.DataType, fitting: str) -> Wrong:
    return Wrong(part, rule.field, f"the field is {dtype}", f"{part} is for {fitting}; use check")


def _matches(column: pl.Expr, dtype: pl.DataType, pattern: str) -> pl.Expr:
    if isinstance(dtype, pl.Enum):
        found = dict(
            zip(dtype.categories, pl.Series(dtype.categories).str.contains(pattern), strict=True)
        )
        return _symbols(column, dtype, found.__getitem__)
    return column.str.contains(pattern)


def _symbols(column: pl.Expr, dtype: pl.Enum, holds: Callable[[str], bool]) -> pl.Expr:
    """An enum has few values: each is asked once, here."""
    return column.is_in(pl.Series([s for s in dtype.categories if holds(s)], dtype=dtype).implode())


def _limit(part: str, value: Decimal, dtype: pl.DataType, rounding: str) -> pl.Expr:
    """The bound as a value of the column's type that lets the same values through."""
    if dtype.is_float():
        return pl.lit(float(value), pl.Float64)
    if not isinstance(dtype, pl.Decimal):
        whole = int(value.to_integral_value(rounding))
        if not -(2**63) <= whole < 2**63:
            raise Wrong(part, str(value), "beyond 64 bits", "leave it out")
        return pl.lit(whole, pl.Int64)
    if value.adjusted() >= (dtype.precision or 38) - dtype.scale:
        raise Wrong(part, str(value), f"more digits than {dtype} holds", "leave it out")
    exact = value.quantize(Decimal(1).scaleb(-dtype.scale), rounding)
    return pl.lit(exact).cast(dtype)
