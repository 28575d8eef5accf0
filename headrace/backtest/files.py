"""Tables that people bring and take: Parquet or CSV, as the name says."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from headrace.errors import ConfigError


def read(path: Path, ids: Collection[str] = ()) -> pl.DataFrame:
    """A table; what looks like a number in the columns ``ids`` of a CSV stays text (``007``).

    Raises ConfigError.
    """
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix == ".csv":
            found = pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
            numeric = {n: pl.String for n in ids if n in found and found.schema[n].is_numeric()}
            if not numeric:
                return found
            text = pl.read_csv(path, columns=[*numeric], schema_overrides=numeric)
            return found.with_columns(text.get_columns())
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"{str(path)!r}: {error}") from error
    raise ConfigError(f"{str(path)!r}: name it .parquet or .csv")


def write(table: pl.DataFrame, path: Path) -> None:
    """Write a table; lists have no place in CSV. Raises ConfigError."""
    try:
        if path.suffix == ".parquet":
            table.write_parquet(path)
            return
        if path.suffix == ".csv":
            table.write_csv(path)
            return
    except (OSError, pl.exceptions.PolarsError) as error:
        raise ConfigError(f"{str(path)!r}: {error}") from error
    raise ConfigError(f"{str(path)!r}: name it .parquet or .csv")
