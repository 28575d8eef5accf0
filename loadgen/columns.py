"""Rows as a Polars frame with the schema's field names and values: for tests and people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl

from loadgen import vocabulary as v
from loadgen.encoding import is_sampled, order_id, payment_id, session_id, tracking
from loadgen.rows import CATALOG, FLAGS, ORDERS, PAYMENTS, REQUESTS, SESSIONS, Rows
from loadgen.text import Bytes, Dictionary, strings, traces
from loadgen.wiring import SCHEMA_VERSION
from loadgen.world import World

MONEY = pl.Decimal(12, 2)
TIME = pl.Datetime("ms", "UTC")


def columns(stream: str, world: World, rows: Rows, event_ids: Bytes) -> pl.DataFrame:
    """One column a field of the stream's schema, in its order; money is Decimal(12, 2)."""
    sampled = is_sampled(rows)
    app = rows["device"] == 3 if stream == SESSIONS else np.zeros(len(rows), bool)
    common = {
        "event_id": pl.Series(strings(event_ids), dtype=pl.String),
        "occurred_at": pl.Series(rows["at"].copy()).cast(TIME),
        "producer": _text(v.PRODUCERS[stream], app.astype(int)),
        "schema_version": pl.repeat(SCHEMA_VERSION, len(rows), dtype=pl.Int32, eager=True),
        "trace_id": _where(sampled, strings(traces(rows["r0"]))),
    }
    return pl.DataFrame(common | _OWN[stream](world, rows))


def _text(of: Dictionary | Sequence[str], codes: Any) -> pl.Series:
    """Strings by code; negative codes are null."""
    values = of.values if isinstance(of, Dictionary) else list(of)
    return pl.Series(
        [values[code] if code >= 0 else None for code in codes.tolist()], dtype=pl.String
    )


def _where(present: Any, values: list[str]) -> pl.Series:
    pairs = zip(values, present.tolist(), strict=True)
    return pl.Series([value if there else None for value, there in pairs], dtype=pl.String)


def _money(cents: Any) -> pl.Series:
    """Decimals from cents; negative cents are null."""
    c = pl.col("c")
    exact = (c.cast(pl.Decimal(20, 2)) * pl.lit("0.01").cast(pl.Decimal(20, 2))).cast(MONEY)
    frame = pl.DataFrame({"c": cents.astype(np.int64)})
    return frame.select(pl.when(c >= 0).then(exact)).to_series()


def _count(values: Any) -> pl.Series:
    """Int32; negative is null."""
    n = pl.Series("n", values.astype(np.int32))
    return pl.DataFrame(n).select(pl.when(pl.col("n") >= 0).then("n")).to_series()


def _user(world: World, rows: Rows) -> dict[str, pl.Series]:
    return {
        "user_id": _text(world.user_ids, rows["user"]),
        "region": _text(v.REGIONS, rows["region"]),
    }


def _catalog(world: World, rows: Rows) -> dict[str, pl.Series]:
    product = rows["product"]
    return {
        "product_id": _text(world.product_ids, product),
        "region": _text(v.REGIONS, rows["region"]),
        "type": _text(v.CATALOG_TYPES, rows["type"]),
        "name": _text(world.product_names, np.where(rows["type"] == 0, product, -1)),
        "category": _text(v.CATEGORIES, world.product_category[product]),
        "price": _money(rows["price"]),
        "previous_price": _money(rows["previous"]),
        "currency": _text(v.CURRENCIES, rows["currency"]),
        "stock": _count(rows["stock"]),
    }


def _sessions(world: World, rows: Rows) -> dict[str, pl.Series]:
    product = rows["product"]
    category = np.where(product >= 0, world.product_category[product], -1)
    return _user(world, rows) | {
        "type": _text(v.SESSION_TYPES, rows["type"]),
        "session_id": pl.Series(strings(session_id(rows)), dtype=pl.String),
        "device": _text(v.DEVICES, rows["device"]),
        "page": _text(v.PAGES, rows["page"]),
        "query": _text(v.QUERIES, rows["query"]),
        "product_id": _text(world.product_ids, product),
        "category": _text(v.CATEGORIES, category),
        "quantity": _count(rows["quantity"]),
        "unit_price": _money(rows["price"]),
        "cart_value": _money(rows["cart"]),
        "referrer": _text(v.REFERRERS, rows["referrer"]),
    }


def _orders(world: World, rows: Rows) -> dict[str, pl.Series]:
    return _user(world, rows) | {
        "type": _text(v.ORDER_TYPES, rows["type"]),
        "order_id": pl.Series(strings(order_id(rows)), dtype=pl.String),
        "currency": _text(v.CURRENCIES, rows["currency"]),
        "total": _money(rows["total"]),
        "lines": _lines(world, rows),
        "carrier": _text(v.CARRIERS, rows["carrier"]),
        "tracking": _where(rows["carrier"] >= 0, strings(tracking(rows))),
        "reason": _text(v.REASONS, rows["reason"]),
        "refund_amount": _money(rows["refund"]),
    }


def _lines(world: World, rows: Rows) -> pl.Series:
    used = rows["lines"].astype(np.int64)
    who, slot = np.nonzero(np.arange(rows["line_product"].shape[1]) < used[:, None])
    product = rows["line_product"][who, slot]
    flat = pl.DataFrame(
        {
            "product_id": _text(world.product_ids, product),
            "category": _text(v.CATEGORIES, world.product_category[product]),
            "quantity": _count(rows["line_quantity"][who, slot]),
            "unit_price": _money(rows["line_price"][who, slot]),
        }
    )
    grouped = (
        pl.DataFrame({"row": who, "line": flat.to_struct()})
        .group_by("row", maintain_order=True)
        .agg("line")
    )
    every = pl.DataFrame({"row": np.arange(len(rows))}).join(
        grouped, on="row", how="left", maintain_order="left"
    )
    empty = pl.lit([], dtype=pl.List(pl.Struct(flat.schema)))
    return every.select(pl.col("line").fill_null(empty)).to_series()


def _payments(world: World, rows: Rows) -> dict[str, pl.Series]:
    return _user(world, rows) | {
        "type": _text(v.PAYMENT_TYPES, rows["type"]),
        "payment_id": pl.Series(strings(payment_id(rows)), dtype=pl.String),
        "order_id": pl.Series(strings(order_id(rows)), dtype=pl.String),
        "method": _text(v.METHODS, rows["method"]),
        "amount": _money(rows["amount"]),
        "currency": _text(v.CURRENCIES, rows["currency"]),
        "failure_code": _text(v.FAILURES, rows["failure"]),
    }


def _requests(world: World, rows: Rows) -> dict[str, pl.Series]:
    route = rows["route"]
    return {
        "tenant": _text(v.TENANTS, rows["tenant"]),
        "region": _text(v.REGIONS, rows["region"]),
        "route": _text(v.PATHS, np.array(v.ROUTE_PATH)[route]),
        "method": _text(v.HTTP_METHODS, np.array([r.method for r in v.ROUTES])[route]),
        "status": _count(rows["status"]),
        "latency_us": pl.Series(rows["latency"].copy()),
        "cache_hit": pl.Series(rows["hit"].copy()),
        "bytes_sent": pl.Series(rows["size"].copy()),
        "user_id": _text(world.user_ids, rows["user"]),
    }


def _flags(world: World, rows: Rows) -> dict[str, pl.Series]:
    flag = rows["flag"]
    part = np.array([f.experiment is not None for f in v.FLAGS])[flag]
    return _user(world, rows) | {
        "flag": _text(v.FLAG_NAMES, flag),
        "variant": _text(v.VARIANTS, rows["variant"]),
        "experiment": _text(v.EXPERIMENTS, np.where(part, flag, -1)),
        "reason": _text(v.EXPOSURE_REASONS, rows["reason"]),
    }


_OWN = {
    CATALOG: _catalog,
    SESSIONS: _sessions,
    ORDERS: _orders,
    PAYMENTS: _payments,
    REQUESTS: _requests,
    FLAGS: _flags,
}
