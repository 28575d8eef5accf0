"""Quantiles from logarithmic buckets, each within 1 % of the true value.

Masson, Rim, Lee: "DDSketch" (VLDB 2019): bucket i holds (gamma^(i-1), gamma^i], its value is
2 gamma^i / (1 + gamma); the quantile q of n values lies in the first bucket whose running count
exceeds q (n - 1).
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
import polars as pl

ACCURACY = 0.01
GAMMA = (1 + ACCURACY) / (1 - ACCURACY)


def buckets(values: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """The bucket of each value above 0."""
    return np.ceil(np.log(values) / math.log(GAMMA)).astype(np.int32)


def quantiles(counts: pl.DataFrame, by: list[str], wanted: dict[str, float]) -> pl.DataFrame:
    """Quantiles by group from rows of (*by, bucket, n); ``wanted`` names each column."""
    running = pl.col("n").cum_sum().over(by, order_by="bucket")
    total = pl.col("n").sum().over(by)
    value = 2 * GAMMA ** pl.col("bucket").cast(pl.Float64) / (1 + GAMMA)
    rows = counts.with_columns(running=running, total=total, value=value)
    picks = [
        pl.col("value").filter(pl.col("running") > q * (pl.col("total") - 1)).min().alias(name)
        for name, q in wanted.items()
    ]
    return rows.group_by(by).agg(picks)
