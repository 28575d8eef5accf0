"""Accumulators that take rows by the chunk and keep one row a key, in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import polars as pl

#: Rows taken in before they are merged into what is there; then whenever as many again came.
MERGE_ROWS = 500_000

Prune = Callable[[pl.DataFrame], pl.DataFrame]


class Fold:
    """Sums (or maxima) by key.

    ``by`` and ``how`` name the columns; ``how`` gives each value's merge, ``"sum"`` or ``"max"``.
    ``prune`` may drop rows that can't matter any more whatever comes later.
    """

    def __init__(
        self, by: Sequence[str], how: dict[str, str] | None = None, prune: Prune | None = None
    ) -> None:
        self._by = list(by)
        self._how = how or {}
        self._prune = prune
        self._merged: pl.DataFrame | None = None
        self._new: list[pl.DataFrame] = []
        self._waiting = 0

    def add(self, **columns: Any) -> None:
        """Take rows: arrays of equal length, or scalars for all of them."""
        length = max(len(column) for column in columns.values() if np.ndim(column))
        if not length:
            return
        whole = {name: np.broadcast_to(column, length).copy() for name, column in columns.items()}
        self._new.append(pl.DataFrame(whole))
        self._waiting += length
        held = 0 if self._merged is None else self._merged.height
        if self._waiting > max(MERGE_ROWS, held):
            self._compact()

    def frame(self) -> pl.DataFrame:
        """One row a key, in order of the keys."""
        self._compact()
        if self._merged is None:
            return pl.DataFrame(schema=dict.fromkeys([*self._by, *self._how], pl.Int64))
        return self._merged.sort(self._by)

    def _compact(self) -> None:
        if not self._new:
            return
        held = [] if self._merged is None else [self._merged]
        rows = pl.concat([*held, *self._new], how="vertical")
        merged = self._reduce(rows)
        self._merged = self._prune(merged) if self._prune else merged
        self._new, self._waiting = [], 0

    def _reduce(self, rows: pl.DataFrame) -> pl.DataFrame:
        merges = [getattr(pl.col(name), way)() for name, way in self._how.items()]
        return rows.group_by(self._by).agg(merges)


class Latest(Fold):
    """The row with the greatest (``at``, ``seq``) by key: of one millisecond, the later sent.

    ``columns`` are the others; ``at`` and ``seq`` are always there.
    """

    def __init__(self, by: Sequence[str], columns: Sequence[str]) -> None:
        super().__init__(by, dict.fromkeys(["at", "seq", *columns], "last"))

    def _reduce(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.sort("at", "seq").unique(self._by, keep="last")
