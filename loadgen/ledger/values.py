"""How the ledger writes ids and values: see docs/ledger.md."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from loadgen.text import Dictionary

#: Columns of every ``redis.*`` section.
ENTRY = {"id": pl.String, "field": pl.String, "value": pl.String}

Names = Dictionary | Sequence[str]


def label(column: str, names: Names) -> pl.Expr:
    """The names of a column's codes, under the column's name."""
    values = names.values if isinstance(names, Dictionary) else list(names)
    named = pl.lit(pl.Series(values, dtype=pl.String))
    return named.gather(pl.col(column).cast(pl.UInt32)).alias(column)


def number(column: str, digits: int = 1) -> pl.Expr:
    """A non-negative integer as decimal text, zero-padded to ``digits``."""
    return pl.col(column).cast(pl.Int64).cast(pl.String).str.zfill(digits)


def floats(frame: pl.DataFrame, column: str) -> pl.Series:
    """``repr`` of each value as a float."""
    values = frame[column].cast(pl.Float64).to_list()
    return pl.Series(column, [repr(value) for value in values], dtype=pl.String)


def last(at: str, json: pl.Expr) -> pl.Expr:
    """The value of a ``last`` field: its version's milliseconds and what it holds."""
    return pl.concat_str(number(at, 13), pl.lit("|"), json)


def entries(frame: pl.DataFrame, id_: pl.Expr, field: pl.Expr, value: pl.Expr) -> pl.DataFrame:
    """A section's rows out of a frame's columns."""
    if frame.is_empty():
        return pl.DataFrame(schema=ENTRY)
    return frame.select(id=id_, field=field, value=value.cast(pl.String)).cast(ENTRY)  # type: ignore[arg-type]
