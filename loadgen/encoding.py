"""Rows as Avro in Confluent's wire format: the six contracts of ``schemas/``, version 1, by hand.

Written out field by field on purpose: this is the producers' side, and shares nothing with the
pipeline's codec. ``tests/loadgen`` holds it against fastavro and the ``.avsc`` files.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

from loadgen import vocabulary as v
from loadgen.avro import Mask, Writer
from loadgen.rows import CATALOG, FLAGS, MAX_LINES, ORDERS, PAYMENTS, REQUESTS, SESSIONS, Rows
from loadgen.text import Bytes, numbered, traces
from loadgen.wiring import SCHEMA_VERSION
from loadgen.world import World

#: Wide enough for each stream's slots. A slot too many raises at once, in any test.
WIDTHS = {CATALOG: 192, SESSIONS: 224, ORDERS: 448, PAYMENTS: 192, REQUESTS: 192, FLAGS: 192}
SAMPLED = 32  # one trace in so many is kept


def encode(stream: str, world: World, rows: Rows, event_ids: Bytes, schema_id: int) -> list[bytes]:
    """Framed values, one a row. ``event_ids`` is (n, 26)."""
    writer = Writer(len(rows), WIDTHS[stream])
    writer.constant(b"\0" + struct.pack(">I", schema_id))
    writer.fixed_text(event_ids)
    writer.integer(rows["at"], 7)
    app = rows["device"] == 3 if stream == SESSIONS else np.zeros(len(rows), int)
    writer.text(v.PRODUCERS[stream], app.astype(int))
    writer.constant(bytes([SCHEMA_VERSION << 1]))
    sampled = is_sampled(rows)
    writer.optional(sampled)
    trace = np.zeros((len(rows), 32), np.uint8)
    trace[sampled] = traces(rows["r0"][sampled])
    writer.fixed_text(trace, sampled)
    _BODIES[stream](writer, world, rows)
    return writer.records()


def is_sampled(rows: Rows) -> Mask:
    """Which events carry a trace id."""
    sampled: Mask = rows["r1"] % SAMPLED == 0
    return sampled


def session_id(rows: Rows) -> Bytes:
    return numbered("s", rows["session"], 10)


def order_id(rows: Rows) -> Bytes:
    return numbered("o", rows["order"], 10)


def payment_id(rows: Rows) -> Bytes:
    return numbered("pay", rows["order"] * 10 + rows["attempt"], 11)


def tracking(rows: Rows) -> Bytes:
    return numbered("TRK", rows["order"], 10)


def _catalog(w: Writer, world: World, rows: Rows) -> None:
    created = rows["type"] == 0
    w.text(world.product_ids, rows["product"])
    w.small(rows["region"])
    w.small(rows["type"])
    w.optional(created)
    w.text(world.product_names, rows["product"], created)
    w.text(v.CATEGORIES, world.product_category[rows["product"]])
    w.decimal(rows["price"])
    w.optional(~created)
    w.decimal(rows["previous"], ~created)
    w.small(rows["currency"])
    tracked = rows["stock"] >= 0
    w.optional(tracked)
    w.integer(np.maximum(rows["stock"], 0), 3, tracked)


def _sessions(w: Writer, world: World, rows: Rows) -> None:
    w.text(world.user_ids, rows["user"])
    w.small(rows["region"])
    w.small(rows["type"])
    w.fixed_text(session_id(rows))
    w.small(rows["device"])
    for field, strings in (("page", v.PAGES), ("query", v.QUERIES)):
        present = rows[field] >= 0
        w.optional(present)
        w.text(strings, rows[field], present)
    about = rows["product"] >= 0
    product = np.where(about, rows["product"], 0)
    w.optional(about)
    w.text(world.product_ids, product, about)
    w.optional(about)
    w.text(v.CATEGORIES, world.product_category[product], about)
    counted = rows["quantity"] >= 0
    w.optional(counted)
    w.small(rows["quantity"], counted)
    for field in ("price", "cart"):
        present = rows[field] >= 0
        w.optional(present)
        w.decimal(rows[field], present)
    referred = rows["referrer"] >= 0
    w.optional(referred)
    w.text(v.REFERRERS, rows["referrer"], referred)


def _orders(w: Writer, world: World, rows: Rows) -> None:
    w.text(world.user_ids, rows["user"])
    w.small(rows["region"])
    w.small(rows["type"])
    w.fixed_text(order_id(rows))
    w.small(rows["currency"])
    w.decimal(rows["total"])
    # An array is blocks of (count, items) and a zero: one block here, or none.
    w.small(rows["lines"], rows["lines"] > 0)
    for i in range(MAX_LINES):
        present = rows["lines"] > i
        product = rows["line_product"][:, i]
        w.text(world.product_ids, product, present)
        w.text(v.CATEGORIES, world.product_category[product], present)
        w.integer(rows["line_quantity"][:, i], 3, present)
        w.decimal(rows["line_price"][:, i], present)
    w.constant(b"\0")
    shipped = rows["carrier"] >= 0
    w.optional(shipped)
    w.text(v.CARRIERS, rows["carrier"], shipped)
    w.optional(shipped)
    w.fixed_text(tracking(rows), shipped)
    explained = rows["reason"] >= 0
    w.optional(explained)
    w.text(v.REASONS, rows["reason"], explained)
    refunded = rows["refund"] >= 0
    w.optional(refunded)
    w.decimal(rows["refund"], refunded)


def _payments(w: Writer, world: World, rows: Rows) -> None:
    w.text(world.user_ids, rows["user"])
    w.small(rows["region"])
    w.small(rows["type"])
    w.fixed_text(payment_id(rows))
    w.fixed_text(order_id(rows))
    w.small(rows["method"])
    w.decimal(rows["amount"])
    w.small(rows["currency"])
    failed = rows["failure"] >= 0
    w.optional(failed)
    w.text(v.FAILURES, rows["failure"], failed)


def _requests(w: Writer, world: World, rows: Rows) -> None:
    route = rows["route"]
    w.text(v.TENANTS, rows["tenant"])
    w.small(rows["region"])
    w.text(v.PATHS, np.array(v.ROUTE_PATH)[route])
    w.small(np.array([r.method for r in v.ROUTES])[route])
    w.integer(rows["status"], 2)
    w.integer(rows["latency"], 5)
    w.flag(rows["hit"].copy())
    w.integer(rows["size"], 4)
    signed_in = rows["user"] >= 0
    w.optional(signed_in)
    w.text(world.user_ids, rows["user"], signed_in)


def _flags(w: Writer, world: World, rows: Rows) -> None:
    w.text(world.user_ids, rows["user"])
    w.small(rows["region"])
    w.text(v.FLAG_NAMES, rows["flag"])
    w.text(v.VARIANTS, rows["variant"])
    part = np.array([flag.experiment is not None for flag in v.FLAGS])[rows["flag"]]
    w.optional(part)
    w.text(v.EXPERIMENTS, rows["flag"], part)
    w.small(rows["reason"])


_BODIES: dict[str, Callable[[Writer, World, Rows], None]] = {
    CATALOG: _catalog,
    SESSIONS: _sessions,
    ORDERS: _orders,
    PAYMENTS: _payments,
    REQUESTS: _requests,
    FLAGS: _flags,
}
