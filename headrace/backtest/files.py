"""Tables that people bring and take: Parquet or CSV, as the name says."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from headrace.errors import ConfigError


def read(path: Path) -> pl.DataFrame:
    """A table. Raises ConfigError."""
    try:
        if path.suffix == ".parquet":
            return pl.read_parquet(path)
        if path.suffix == ".csv":
            return pl.read_csv(path, try_parse_dates=True, infer_schema_length=None)
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
