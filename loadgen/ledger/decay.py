"""The growing weights of forward decay, quantised as docs/views.md says."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

LANDMARK_MS = 1_767_225_600_000  # 2026-01-01T00:00:00Z
DAY_MS = 86_400_000
AFFINITY_MS = 7 * DAY_MS  # half-lives
TRENDING_MS = DAY_MS
BITS = 16


def growth(at_ms: npt.NDArray[np.int64], half_life_ms: int) -> npt.NDArray[np.float64]:
    """2^((t - landmark) / half-life), to 16 significant bits, half to even."""
    factor = np.exp2((at_ms - LANDMARK_MS) / half_life_ms)
    mantissa, exponent = np.frexp(factor)
    quantised: npt.NDArray[np.float64] = np.ldexp(np.rint(mantissa * 2.0**BITS), exponent - BITS)
    return quantised
