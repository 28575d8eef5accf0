"""A plain-Python recount of events, straight from docs/views.md. Slow, simple, independent.

Events are dictionaries as fastavro reads them from a schema without logical types: times are ms,
money is the two's complement bytes of cents.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

Event = Mapping[str, Any]
LANDMARK_MS = 1_767_225_600_000
DAY_MS = 86_400_000
GRAINS = (("m", 300_000, 12), ("h", 3_600_000, 24), ("d", DAY_MS, 30))
KEEP = {"user:recent": 50, "order:history": 32}


def cents(raw: bytes | None) -> int:
    """Money of two places in minor units; absent counts as 0."""
    return 0 if raw is None else int.from_bytes(raw, "big", signed=True)


def decayed(ms: int, half_life_ms: int) -> float:
    """2^((t - L) / H) rounded to 16 significant bits, half to even."""
    mantissa, exponent = math.frexp(2.0 ** ((ms - LANDMARK_MS) / half_life_ms))
    return math.ldexp(round(mantissa * 65536), exponent - 16)


def compact(value: Any) -> str:
    """JSON without white space."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


#: A picklable factory of ``[0, 0, 0]``.
_ZEROS: Callable[[], list[int]] = partial(list, (0, 0, 0))


class Truth:
    """What all events so far lead to. Two parts of a log can be counted apart and merged."""

    def __init__(self) -> None:
        #: (table, partition) → rows, Σ crc, Σ cents
        self.tables: dict[tuple[str, int], list[int]] = defaultdict(_ZEROS)
        #: (view, key) → summed columns
        self.sums: dict[tuple[str, tuple[Any, ...]], list[int]] = {}
        #: (view, key) → distinct users
        self.users: dict[tuple[str, tuple[Any, ...]], set[str]] = defaultdict(set)
        #: (minute, tenant, route) → latencies in µs
        self.latencies: dict[tuple[int, str, str], list[int]] = defaultdict(list)
        #: (keyspace, id, field) → value, by kind
        self.counters: dict[tuple[str, str, str], int] = defaultdict(int)
        self.floats: dict[tuple[str, str, str], float] = defaultdict(float)
        self.maxima: dict[tuple[str, str, str], int] = {}
        self.rings: dict[tuple[str, str, str], tuple[int, int]] = {}
        self.lasts: dict[tuple[str, str, str], tuple[int, int, str]] = {}
        self.events = 0
        self.bad: dict[str, set[tuple[int, int]]] = defaultdict(set)
        self.tombstones = 0
        self.repeats = 0
        #: Records that fail a rule which sets them aside.
        self.ruled_out = 0

    # -- one event -----------------------------------------------------------------------------

    def add(self, topic: str, partition: int, offset: int, event: Event) -> None:
        """Count one event of a topic."""
        self.events += 1
        _TOPICS[topic](self, partition, offset, event)

    def _row(self, table: str, partition: int, event: Event, money: int) -> None:
        entry = self.tables[table, partition]
        entry[0] += 1
        entry[1] += zlib.crc32(event["event_id"].encode())
        entry[2] += money

    def _sum(self, view: str, key: tuple[Any, ...], *values: int) -> None:
        entry = self.sums.get((view, key))
        if entry is None:
            self.sums[view, key] = list(values)
        else:
            for i, value in enumerate(values):
                entry[i] += value

    def _last(
        self, keyspace: str, entity: str, field: str, ms: int, offset: int, value: str
    ) -> None:
        held = self.lasts.get((keyspace, entity, field))
        if held is None or (ms, offset) > held[:2]:
            self.lasts[keyspace, entity, field] = (ms, offset, value)

    def _max(self, keyspace: str, entity: str, member: str, ms: int) -> None:
        held = self.maxima.get((keyspace, entity, member))
        if held is None or ms > held:
            self.maxima[keyspace, entity, member] = ms

    def _ring(self, entity: str, metric: str, ms: int, amount: int) -> None:
        for grain, length, slots in GRAINS:
            bucket = ms // length
            key = ("user", entity, f"{metric}:{grain}{bucket % slots}")
            self._ring_slot(key, bucket, amount)

    def _ring_slot(self, key: tuple[str, str, str], bucket: int, amount: int) -> None:
        newest, total = self.rings.get(key, (bucket, 0))
        if bucket > newest:
            self.rings[key] = (bucket, amount)
        elif bucket == newest:
            self.rings[key] = (bucket, total + amount)

    def _interest(self, user: str, product: str, category: str, ms: int, weight: int) -> None:
        affinity = weight * decayed(ms, 7 * DAY_MS)
        self.floats["user:affinity:category", user, category] += affinity
        self.floats["user:affinity:product", user, product] += affinity
        self.floats["product:trending", "all", product] += weight * decayed(ms, DAY_MS)

    # -- topics --------------------------------------------------------------------------------

    def _catalog(self, partition: int, offset: int, e: Event) -> None:
        self._row("catalog", partition, e, cents(e["price"]))
        ms, product = e["occurred_at"], e["product_id"]
        card = {
            "name": e["name"],
            "category": e["category"],
            "price": cents(e["price"]),
            "currency": e["currency"],
            "at": ms,
        }
        self._last("product:card", product, "card", ms, offset, compact(card))
        if e["type"] == "created" and e["name"] is not None:
            self._last("product:card", product, "name", ms, offset, e["name"])

    def _sessions(self, partition: int, offset: int, e: Event) -> None:
        self._row("sessions", partition, e, cents(e["unit_price"]))
        ms, user, kind, region = e["occurred_at"], e["user_id"], e["type"], e["region"]
        self.users["active_users_by_minute", (ms // 60_000 * 60_000, region)].add(user)
        if kind in ("page_view", "product_view", "cart_add", "checkout_started"):
            self._funnel(ms, region, kind, user)
        self._last("user", user, "seen", ms, offset, compact({"at": ms, "type": kind}))
        product = e["product_id"]
        if kind == "product_view":
            self._ring(user, "views", ms, 1)
            self._max("user:recent", user, product, ms)
            self._interest(user, product, e["category"], ms, 1)
            self.counters["product:demand", product, "views"] += 1
        elif kind == "cart_add":
            self._ring(user, "carts", ms, 1)
            self._interest(user, product, e["category"], ms, 3)
            self.counters["product:demand", product, "carts"] += 1
            self.counters["cart", user, product] += e["quantity"]
        elif kind == "cart_remove":
            self.counters["cart", user, product] -= e["quantity"]

    def _funnel(self, ms: int, region: str, step: str, user: str) -> None:
        key = (ms // 3_600_000 * 3_600_000, region, step)
        self._sum("funnel_by_hour", key, 1)
        self.users["funnel_by_hour", key].add(user)

    def _orders(self, partition: int, offset: int, e: Event) -> None:
        total = cents(e["total"])
        self._row("orders", partition, e, total)
        ms, user, kind, order = e["occurred_at"], e["user_id"], e["type"], e["order_id"]
        state = {
            "status": kind,
            "user_id": user,
            "currency": e["currency"],
            "total": total,
            "at": ms,
        }
        self._last("order", order, "state", ms, offset, compact(state))
        self._max("order:history", order, kind, ms)
        if kind == "placed":
            self._placed(offset, e, total)

    def _placed(self, offset: int, e: Event, total: int) -> None:
        ms, user, region = e["occurred_at"], e["user_id"], e["region"]
        minute = ms // 60_000 * 60_000
        self._sum("revenue_by_minute", (minute, region, e["currency"]), 1, total)
        self._funnel(ms, region, "order_placed", user)
        self._sum("customer_days", (user, ms // DAY_MS * DAY_MS), 1)
        self._ring(user, "orders", ms, 1)
        self._ring(user, "spend", ms, total)
        lines = []
        for line in e["lines"]:
            product, category, quantity = line["product_id"], line["category"], line["quantity"]
            price = cents(line["unit_price"])
            lines.append(
                {
                    "product_id": product,
                    "category": category,
                    "quantity": quantity,
                    "unit_price": price,
                }
            )
            key = (minute, region, e["currency"], category)
            self._sum("revenue_by_category", key, 1, quantity, price * quantity)
            self._interest(user, product, category, ms, 8)
            self.counters["product:demand", product, "purchases"] += 1
            self.counters["product:demand", product, "units"] += quantity
            self.counters["cart", user, product] -= quantity
        self._last("order", e["order_id"], "lines", ms, offset, compact(lines))

    def _payments(self, partition: int, offset: int, e: Event) -> None:
        amount = cents(e["amount"])
        self._row("payments", partition, e, amount)
        ms, order = e["occurred_at"], e["order_id"]
        key = (ms // 60_000 * 60_000, e["type"], e["method"])
        self._sum("payments_by_minute", key, 1, amount)
        payment = {
            "status": e["type"],
            "payment_id": e["payment_id"],
            "method": e["method"],
            "amount": amount,
            "at": ms,
        }
        self._last("order", order, "payment", ms, offset, compact(payment))
        self._max("order:history", order, f"payment.{e['type']}", ms)

    def _requests(self, partition: int, _: int, e: Event) -> None:
        self._row("requests", partition, e, e["latency_us"])
        key = (e["occurred_at"] // 60_000 * 60_000, e["tenant"], e["route"])
        self._sum("requests_by_minute", key, 1, int(e["status"] >= 500), int(e["cache_hit"]))
        self.latencies[key].append(e["latency_us"])

    def _flags(self, partition: int, _: int, e: Event) -> None:
        self._row("flags", partition, e, 0)
        key = (e["occurred_at"] // 3_600_000 * 3_600_000, e["flag"], e["variant"])
        self._sum("exposures_by_hour", key, 1)
        self.users["exposures_by_hour", key].add(e["user_id"])

    # -- two parts -----------------------------------------------------------------------------

    def merge(self, other: Truth) -> None:
        """Take in what was counted from other partitions of the log."""
        for place, (rows, crc, money) in other.tables.items():
            entry = self.tables[place]
            entry[0] += rows
            entry[1] += crc
            entry[2] += money
        for (view, key), values in other.sums.items():
            self._sum(view, key, *values)
        for place2, users in other.users.items():
            self.users[place2] |= users
        for place3, latencies in other.latencies.items():
            self.latencies[place3] += latencies
        for name, value in other.counters.items():
            self.counters[name] += value
        for name, score in other.floats.items():
            self.floats[name] += score
        for (keyspace, entity, member), ms in other.maxima.items():
            self._max(keyspace, entity, member, ms)
        for name, (bucket, amount) in other.rings.items():
            self._ring_slot(name, bucket, amount)
        for (keyspace, entity, field), (ms, offset, text) in other.lasts.items():
            self._last(keyspace, entity, field, ms, offset, text)
        for topic, places in other.bad.items():
            self.bad[topic] |= places
        self.events += other.events
        self.tombstones += other.tombstones
        self.repeats += other.repeats
        self.ruled_out += other.ruled_out


_TOPICS: dict[str, Callable[[Truth, int, int, Event], None]] = {
    "shop.catalog": Truth._catalog,
    "shop.sessions": Truth._sessions,
    "shop.orders": Truth._orders,
    "shop.payments": Truth._payments,
    "platform.requests": Truth._requests,
    "platform.flags": Truth._flags,
}
