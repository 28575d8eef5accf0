"""Expressions that several agents share."""

from __future__ import annotations

import polars as pl

from headrace.writes import Kind, RedisOps, version

MS = pl.col("occurred_at").dt.epoch("ms").alias("ms")


def cents(name: str) -> pl.Expr:
    """Money of two places as minor units, exactly: the decimal's own integer."""
    return (pl.col(name) * pl.lit(100).cast(pl.Decimal(3, 0))).cast(pl.Int64)


def newest(events: pl.DataFrame, entity: str) -> pl.DataFrame:
    """Of each entity the newest event: greatest event time, then greatest offset."""
    return events.sort("occurred_at", "_offset").unique(entity, keep="last", maintain_order=True)


def last(keyspace: str, events: pl.DataFrame, entity: str, field: str, value: pl.Expr) -> RedisOps:
    """A ``LAST`` update from each entity's newest event; ``value`` is built for those only."""
    rows = newest(events, entity).select(
        pl.col(entity).alias("id"),
        pl.lit(field).alias("field"),
        value.cast(pl.String).alias("value"),
        version().alias("version"),
    )
    return RedisOps(Kind.LAST, keyspace, rows)


def json(**values: pl.Expr) -> pl.Expr:
    """A compact JSON object with these keys in this order."""
    columns = [value.alias(name) for name, value in values.items()]
    return pl.struct(columns).struct.json_encode()


def text(name: str) -> pl.Expr:
    """An enum or string column as a string."""
    return pl.col(name).cast(pl.String)
