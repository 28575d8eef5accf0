"""Read models: orders, carts, product cards."""

from __future__ import annotations

from collections.abc import Callable

import polars as pl

from agents.columns import MS, cents, json, last, text
from headrace.frame import Frame
from headrace.writes import NOTHING, Kind, RedisOps, Writes

HISTORY_KEPT = 32


def views(frame: Frame) -> Writes:
    """See docs/views.md, keyspaces ``order…``, ``cart`` and ``product:card``."""
    if not len(frame):
        return NOTHING
    return Writes(redis=tuple(_BY_TOPIC[frame.topic](frame.df)))


def _catalog(df: pl.DataFrame) -> list[RedisOps]:
    card = json(
        name=pl.col("name"),
        category=text("category"),
        price=cents("price"),
        currency=text("currency"),
        at=MS,
    )
    created = df.filter((pl.col("type") == "created") & pl.col("name").is_not_null())
    return [
        last("product:card", df, "product_id", "card", card),
        last("product:card", created, "product_id", "name", pl.col("name")),
    ]


def _sessions(df: pl.DataFrame) -> list[RedisOps]:
    moves = df.filter(
        pl.col("type").is_in(["cart_add", "cart_remove"]) & pl.col("product_id").is_not_null()
    )
    quantity = pl.col("quantity").fill_null(0)
    signed = pl.when(pl.col("type") == "cart_add").then(quantity).otherwise(-quantity)
    return [_cart(moves, signed)]


def _orders(df: pl.DataFrame) -> list[RedisOps]:
    state = json(
        status=text("type"),
        user_id=pl.col("user_id"),
        currency=text("currency"),
        total=cents("total"),
        at=MS,
    )
    placed = df.filter(pl.col("type") == "placed")
    bought = placed.select("user_id", "lines").explode("lines", empty_as_null=False).unnest("lines")
    return [
        last("order", df, "order_id", "state", state),
        last("order", placed, "order_id", "lines", _lines()),
        _history(df, text("type")),
        _cart(bought, -pl.col("quantity")),
    ]


def _lines() -> pl.Expr:
    """The lines as a JSON array of objects."""
    line = pl.element().struct
    price = line.field("unit_price") * pl.lit(100).cast(pl.Decimal(3, 0))
    objects = pl.col("lines").list.eval(
        json(
            product_id=line.field("product_id"),
            category=line.field("category"),
            quantity=line.field("quantity"),
            unit_price=price.cast(pl.Int64),
        )
    )
    return pl.concat_str([pl.lit("["), objects.list.join(","), pl.lit("]")])


def _payments(df: pl.DataFrame) -> list[RedisOps]:
    payment = json(
        status=text("type"),
        payment_id=pl.col("payment_id"),
        method=text("method"),
        amount=cents("amount"),
        at=MS,
    )
    return [
        last("order", df, "order_id", "payment", payment),
        _history(df, pl.concat_str([pl.lit("payment."), text("type")])),
    ]


def _history(df: pl.DataFrame, member: pl.Expr) -> RedisOps:
    rows = df.select(
        pl.col("order_id").alias("id"),
        member.alias("member"),
        MS.cast(pl.Float64).alias("score"),
    )
    return RedisOps(Kind.MAX, "order:history", rows, HISTORY_KEPT)


def _cart(events: pl.DataFrame, units: pl.Expr) -> RedisOps:
    rows = events.select(
        pl.col("user_id").alias("id"),
        pl.col("product_id").alias("field"),
        units.cast(pl.Int64).alias("delta"),
    )
    return RedisOps(Kind.ADD, "cart", rows)


_BY_TOPIC: dict[str, Callable[[pl.DataFrame], list[RedisOps]]] = {
    "shop.catalog": _catalog,
    "shop.sessions": _sessions,
    "shop.orders": _orders,
    "shop.payments": _payments,
}
