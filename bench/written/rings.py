"""Rings: counters of the last N buckets of a length of time, in N slots."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from headrace.writes import Kind, RedisOps


class Grain(NamedTuple):
    """Length of a bucket and how many are kept."""

    name: str
    length_ms: int
    slots: int


GRAINS = (
    Grain("m", 300_000, 12),  # the last hour
    Grain("h", 3_600_000, 24),  # the last day
    Grain("d", 86_400_000, 30),  # the last 30 days
)


def rings(keyspace: str, events: pl.DataFrame, metric: str, amount: pl.Expr) -> list[RedisOps]:
    """Add ``amount`` (Int64) to every grain's ring of a metric. ``events``: ``id``, ``ms``."""
    ops = []
    for grain in GRAINS:
        bucket = pl.col("ms") // grain.length_ms
        summed = (
            events.select("id", bucket.alias("bucket"), amount.cast(pl.Int64).alias("delta"))
            .group_by("id", "bucket", maintain_order=True)
            .agg(pl.col("delta").sum())
        )
        slot = (pl.col("bucket") % grain.slots).cast(pl.String)
        field = pl.concat_str([pl.lit(f"{metric}:{grain.name}"), slot]).alias("field")
        ops.append(RedisOps(Kind.RING, keyspace, summed.select("id", field, "bucket", "delta")))
    return ops
