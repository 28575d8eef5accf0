"""DDSketch as ClickHouse's ``quantilesDD`` has it: logarithmic buckets, counted.

Masson, Rim, Lee: "DDSketch: A Fast and Fully-Mergeable Quantile Sketch with Relative-Error
Guarantees", VLDB 2019. Which bucket a value is in depends on the value alone, so sketches of any
parts of the events merge to the same one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

import polars as pl

from headrace.declared.convert import divisor

ACCURACY: Final = 0.01
#: Values beyond are left out: ClickHouse's sketch can't hold the greatest doubles.
MOST: Final = 1e300
#: What is closer to 0 counts as 0.
_LEAST: Final = 2.2250738585072014e-308
#: More than any logarithm, so that buckets of a sign have one as their code.
_SHIFT: Final = 2**20


def gamma(accuracy: float) -> float:
    """How much greater a bucket's end is than its begin."""
    return (1 + accuracy) / (1 - accuracy)


def bucket(value: pl.Expr, accuracy: float) -> pl.Expr:
    """The bucket of a double as a number that grows with it: 0 for 0, below it for what is."""
    grows = gamma(accuracy)
    log = (value.abs().log() * (1 / math.log(grows))).cast(pl.Int64) + _SHIFT
    least = _LEAST * grows
    zero = pl.lit(0, pl.Int64)
    return pl.when(value > least).then(log).when(value < -least).then(-log).otherwise(zero)


def value(bucket_: pl.Expr, accuracy: float) -> pl.Expr:
    """What stands for a bucket: within the accuracy of all its values."""
    multiplier = divisor(pl.lit(1 / math.log(gamma(accuracy))))
    log = (bucket_.abs() - _SHIFT).cast(pl.Float64) / multiplier
    return bucket_.sign().cast(pl.Float64) * log.exp() * (1 + accuracy)


def quantiles(
    counted: pl.DataFrame, by: list[str], levels: Sequence[float], accuracy: float
) -> pl.DataFrame:
    """``quantiles`` by group, a list, from the buckets of each: ``member``, ``n``."""
    rows = counted.sort(*by, "member").with_columns(
        running=pl.col("n").cum_sum().over(by),
        total=pl.col("n").sum().over(by),
        value=value(pl.col("member"), accuracy),
    )
    picks = [
        pl.col("value").filter(pl.col("running") > level * (pl.col("total") - 1)).first()
        for level in levels
    ]
    groups = rows.group_by(by, maintain_order=True)
    return groups.agg(pl.concat_list(picks).alias("quantiles"))
