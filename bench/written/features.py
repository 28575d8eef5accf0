"""Personalization features by user, and demand by product: ``bench.written`` says what for."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from agents.columns import MS, cents, json, last, text
from bench.written.decay import AFFINITY_HALF_LIFE_MS, TRENDING_HALF_LIFE_MS, factor
from bench.written.rings import rings
from headrace.frame import Frame
from headrace.writes import NOTHING, Kind, RedisOps, Writes

RECENT_KEPT = 50
#: What an event says about interest in a product.
WEIGHTS = {"product_view": 1.0, "cart_add": 3.0}
ORDER_LINE_WEIGHT = 8.0


def features(frame: Frame) -> Writes:
    """See docs/views.md, keyspaces ``user…`` and ``product…``."""
    if not len(frame):
        return NOTHING
    return Writes(redis=tuple(_BY_TOPIC[frame.topic](frame.df)))


def _sessions(df: pl.DataFrame) -> list[RedisOps]:
    seen = json(at=MS, type=text("type"))
    actions = df.filter(pl.col("type").is_in(list(WEIGHTS)) & pl.col("product_id").is_not_null())
    actions = actions.select(
        "user_id", "occurred_at", text("type"), "product_id", "category", MS
    ).with_columns(pl.col("type").replace_strict(WEIGHTS, return_dtype=pl.Float64).alias("weight"))
    views = actions.filter(pl.col("type") == "product_view")
    carts = actions.filter(pl.col("type") == "cart_add")
    recent = views.select(
        pl.col("user_id").alias("id"),
        pl.col("product_id").alias("member"),
        pl.col("ms").cast(pl.Float64).alias("score"),
    )
    one = pl.lit(1, pl.Int64)
    return [
        last("user", df, "user_id", "seen", seen),
        *rings("user", _by_user(views), "views", one),
        *rings("user", _by_user(carts), "carts", one),
        RedisOps(Kind.MAX, "user:recent", recent, RECENT_KEPT),
        *_interest(actions),
        _demand(views, "views", one),
        _demand(carts, "carts", one),
    ]


def _orders(df: pl.DataFrame) -> list[RedisOps]:
    placed = df.filter(pl.col("type") == "placed").select(
        "user_id", "occurred_at", "lines", MS, cents("total").alias("spend")
    )
    lines = (
        placed.select("user_id", "occurred_at", "lines")
        .explode("lines", empty_as_null=False)
        .unnest("lines")
        .with_columns(pl.lit(ORDER_LINE_WEIGHT).alias("weight"))
    )
    users = placed.select(pl.col("user_id").alias("id"), "ms", "spend")
    return [
        *rings("user", users, "orders", pl.lit(1, pl.Int64)),
        *rings("user", users, "spend", pl.col("spend")),
        *_interest(lines),
        _demand(lines, "purchases", pl.lit(1, pl.Int64)),
        _demand(lines, "units", pl.col("quantity")),
    ]


def _by_user(events: pl.DataFrame) -> pl.DataFrame:
    return events.select(pl.col("user_id").alias("id"), "ms")


def _interest(events: pl.DataFrame) -> list[RedisOps]:
    """Affinity of users and trending products. ``events``: one product and weight a row."""
    weight = pl.col("weight")
    scored = events.select(
        "user_id",
        "product_id",
        "category",
        (weight * factor(events["occurred_at"], AFFINITY_HALF_LIFE_MS)).alias("affinity"),
        (weight * factor(events["occurred_at"], TRENDING_HALF_LIFE_MS)).alias("trending"),
    )

    def op(keyspace: str, entity: pl.Expr, member: str, score: str) -> RedisOps:
        rows = scored.select(
            entity.alias("id"), pl.col(member).alias("member"), pl.col(score).alias("score")
        )
        return RedisOps(Kind.ADD_FLOAT, keyspace, rows.filter(pl.col("member").is_not_null()))

    return [
        op("user:affinity:category", pl.col("user_id"), "category", "affinity"),
        op("user:affinity:product", pl.col("user_id"), "product_id", "affinity"),
        op("product:trending", pl.lit("all"), "product_id", "trending"),
    ]


def _demand(events: pl.DataFrame, counter: str, amount: pl.Expr) -> RedisOps:
    rows = events.select(
        pl.col("product_id").alias("id"),
        pl.lit(counter).alias("field"),
        amount.cast(pl.Int64).alias("delta"),
    )
    return RedisOps(Kind.ADD, "product:demand", rows)


_BY_TOPIC: dict[str, Callable[[pl.DataFrame], list[RedisOps]]] = {
    "shop.sessions": _sessions,
    "shop.orders": _orders,
}
