"""What a training set asks for: keys and the moments at which their values are wanted."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from headrace.declared.asof import AT, ROW
from headrace.errors import ConfigError


def asked(given: pl.DataFrame, key: Sequence[str], timestamp: str) -> pl.DataFrame:
    """``key``'s columns, ``AT`` and ``ROW``. Raises ConfigError that names what is missing.

    The moment is a point in time (UTC if it names no zone), or ms as a number.
    """
    lacking = [name for name in (*key, timestamp) if name not in given.columns]
    if lacking:
        raise ConfigError(
            f"--as-of: the file has no column {', '.join(map(repr, lacking))}; it needs "
            f"{', '.join(key)} and {timestamp} (or --timestamp), and has {', '.join(given.columns)}"
        )
    dtype = given.schema[timestamp]
    at = pl.col(timestamp)
    if isinstance(dtype, pl.Datetime):
        at = at.dt.epoch("ms")
    elif dtype == pl.Date:
        at = at.cast(pl.Datetime("ms")).dt.epoch("ms")
    elif not dtype.is_integer():
        raise ConfigError(f"--as-of: column {timestamp!r} is {dtype}, not a time or milliseconds")
    found = given.select(*key, at.cast(pl.Int64).alias(AT)).with_row_index(ROW)
    empty = [name for name in (*key, AT) if found[name].null_count()]
    if empty:
        raise ConfigError(f"--as-of: column {', '.join(map(repr, empty))} has empty cells")
    return found


def joined(given: pl.DataFrame, answers: pl.DataFrame, values: Sequence[str]) -> pl.DataFrame:
    """The file with the values asked for; null where there was nothing at that moment."""
    found = given.with_row_index(ROW).join(
        answers.select(pl.col(ROW).cast(pl.UInt32), *values),
        on=ROW, how="left", suffix="_of_view", maintain_order="left",
    )  # fmt: skip
    return found.drop(ROW)
