"""Forward decay with sums that do not depend on the order of addition.

Cormode, Shkapenyuk, Srivastava, Xu: "Forward Decay: A Practical Time Decay Model for Streaming
Systems", ICDE 2009. An event at time t weighs 2^((t - L) / H) for a landmark L and a half-life H,
so old scores never have to be touched again. Rounding that factor to 16 significant bits leaves 37
bits of a double for the sum: adding is exact while events lie within about 27 half-lives.
"""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import polars as pl

SIGNIFICANT_BITS = 16
HOUR_MS = 3_600_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def factor(ms: pl.Series, half_life_ms: int, landmark_ms: int) -> pl.Series:
    """The weight's factor 2^((t - L) / H), rounded half to even to 16 significant bits."""
    mantissa, exponent = np.frexp(np.exp2((ms.to_numpy() - landmark_ms) / half_life_ms))
    rounded = np.rint(np.ldexp(mantissa, SIGNIFICANT_BITS))
    return pl.Series(np.ldexp(rounded, exponent - SIGNIFICANT_BITS))


def epoch_ms(at: datetime) -> int:
    """A point in time in milliseconds since 1970."""
    delta = at - _EPOCH
    return (delta.days * 86_400 + delta.seconds) * 1_000 + delta.microseconds // 1_000
