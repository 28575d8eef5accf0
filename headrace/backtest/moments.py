"""Which stretch of event time counts."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import polars as pl

from headrace.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Stretch:
    """Events with ``begin_ms <= time < end_ms`` by the field ``time``; None is open."""

    time: str
    begin_ms: int | None = None
    end_ms: int | None = None

    def within(self, df: pl.DataFrame) -> pl.DataFrame:
        """The events that count."""
        if self.begin_ms is None and self.end_ms is None:
            return df
        if self.time not in df.columns:
            raise ConfigError(
                f"--time {self.time!r}: no such field; there are {', '.join(df.columns)}"
            )
        ms = pl.col(self.time).dt.epoch("ms")
        if self.begin_ms is not None:
            df = df.filter(ms >= self.begin_ms)
        return df if self.end_ms is None else df.filter(ms < self.end_ms)


def moment(option: str, text: str | None) -> int | None:
    """ISO 8601 (UTC, if it names no zone) or milliseconds, as milliseconds. Raises ConfigError."""
    if text is None:
        return None
    if text.isdigit():
        return int(text)
    try:
        found = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"{option} {text!r}: neither milliseconds nor ISO 8601, for example 2026-03-01T08:00"
        ) from error
    found = found if found.tzinfo else found.replace(tzinfo=UTC)
    return int(found.timestamp() * 1000)
