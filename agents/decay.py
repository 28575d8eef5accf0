"""Forward decay with sums that do not depend on the order of addition.

Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay: A Practical Time Decay Model for Streaming
Systems", ICDE 2009. An event at time t weighs 2^((t - L) / H) for a landmark L and a half-life H,
so old scores never have to be touched again. Rounding that factor to 16 significant bits leaves 37
bits of a double for the sum: adding is exact while events lie within about 27 half-lives.
"""

from __future__ import annotations

import numpy as np
import polars as pl

#: 2026-01-01T00:00:00Z in ms.
LANDMARK_MS = 1_767_225_600_000
DAY_MS = 86_400_000
AFFINITY_HALF_LIFE_MS = 7 * DAY_MS
TRENDING_HALF_LIFE_MS = DAY_MS
SIGNIFICANT_BITS = 16


def factor(occurred_at: pl.Series, half_life_ms: int) -> pl.Series:
    """The weight's factor 2^((t - L) / H), rounded half to even to 16 significant bits."""
    ms = occurred_at.dt.epoch("ms").to_numpy()
    mantissa, exponent = np.frexp(np.exp2((ms - LANDMARK_MS) / half_life_ms))
    rounded = np.rint(np.ldexp(mantissa, SIGNIFICANT_BITS))
    return pl.Series(np.ldexp(rounded, exponent - SIGNIFICANT_BITS))
