"""Values of columns as they are kept in states and payloads: what ``Encoder.encode`` takes back."""

from __future__ import annotations

import polars as pl

#: Types whose values can be kept.
PLAIN = (
    pl.String, pl.Enum, pl.Boolean, pl.Int32, pl.Int64, pl.Float32, pl.Float64, pl.Decimal,
    pl.Binary, pl.Date, pl.Datetime,
)  # fmt: skip


def plain(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Text, integers and booleans only, exactly: also JSON has them.

    Decimals and floats become text with all their digits, dates and times numbers of their unit,
    bytes base64.
    """
    if isinstance(dtype, pl.Boolean | pl.Int32 | pl.Int64 | pl.String):
        return value
    if isinstance(dtype, pl.Date | pl.Datetime):
        return value.to_physical()
    if isinstance(dtype, pl.Binary):
        return value.bin.encode("base64")
    return value.cast(pl.String)


def whole(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """A number or a time as an integer: a decimal's unscaled one, a time in its unit."""
    if isinstance(dtype, pl.Decimal | pl.Date | pl.Datetime):
        value = value.to_physical()
    return value.cast(pl.Int128)


def decimal_text(unscaled: int, scale: int) -> str:
    """``12.34`` for 1234 and 2."""
    digits = str(abs(unscaled)).zfill(scale + 1)
    sign = "-" if unscaled < 0 else ""
    return f"{sign}{digits[:-scale]}.{digits[-scale:]}" if scale else sign + digits
