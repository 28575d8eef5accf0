"""Forward decay with this project's landmark; ``headrace.declared.decay`` says how it works."""

from __future__ import annotations

import polars as pl

from headrace.declared import decay

#: 2026-01-01T00:00:00Z in ms.
LANDMARK_MS = 1_767_225_600_000
DAY_MS = 86_400_000
AFFINITY_HALF_LIFE_MS = 7 * DAY_MS
TRENDING_HALF_LIFE_MS = DAY_MS


def factor(occurred_at: pl.Series, half_life_ms: int) -> pl.Series:
    """The weight's factor 2^((t - L) / H), rounded half to even to 16 significant bits."""
    return decay.factor(occurred_at.dt.epoch("ms"), half_life_ms, LANDMARK_MS)
