"""The state that records lead to, in plain Python, one at a time, as docs/views.md words it.

Slow and obvious on purpose. ``sections`` gives each section as a dict from its key columns to its
values.
"""

from __future__ import annotations

import json
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from tests.loadgen.records import Record

LANDMARK = 1_767_225_600_000
GRAINS = {"m": (300_000, 12), "h": (3_600_000, 24), "d": (86_400_000, 30)}
Section = dict[Any, Any]


def cents(amount: Decimal) -> int:
    return int(amount * 100)


def growth(at: int, half_life_ms: int) -> float:
    mantissa, exponent = math.frexp(2.0 ** ((at - LANDMARK) / half_life_ms))
    return math.ldexp(round(mantissa * 65_536), exponent - 16)  # round() is half to even


class State:
    """Apply records in order, then read ``sections``."""

    def __init__(self) -> None:
        self.tables: dict[str, dict[int, list[int]]] = defaultdict(
            lambda: defaultdict(lambda: [0] * 3)
        )
        self.views: dict[str, dict[Any, list[Any]]] = defaultdict(dict)
        self.counters: dict[str, Counter[tuple[str, str]]] = defaultdict(Counter)
        self.lasts: dict[str, dict[tuple[str, str], tuple[int, str]]] = defaultdict(dict)
        self.rings: dict[tuple[str, str], tuple[int, int]] = {}
        self.maxima: dict[str, dict[tuple[str, str], int]] = defaultdict(dict)
        self.scores: dict[str, dict[tuple[str, str], float]] = defaultdict(
            lambda: defaultdict(float)
        )

    def apply(self, records: Iterable[Record]) -> None:
        for record in records:
            self._row(record)
            getattr(self, f"_{record.stream}")(record.event, record.at)

    def _row(self, record: Record) -> None:
        event, row = record.event, self.tables[record.stream][record.partition]
        row[0] += 1
        row[1] += zlib.crc32(event["event_id"].encode())
        field = {"orders": "total", "payments": "amount", "catalog": "price"}.get(
            record.stream, "unit_price"
        )
        if record.stream == "requests":
            row[2] += event["latency_us"]
        elif event.get(field) is not None:
            row[2] += cents(event[field])

    def _group(self, view: str, key: tuple[Any, ...], *deltas: Any) -> None:
        """Sums, sets and lists by group."""
        values = self.views[view].setdefault(key, [type(delta)() for delta in deltas])
        for i, delta in enumerate(deltas):
            values[i] = values[i] | delta if isinstance(delta, set) else values[i] + delta

    def _last(self, keyspace: str, id_: str, field: str, at: int, value: Any) -> None:
        text = (
            value
            if isinstance(value, str)
            else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
        )
        held = self.lasts[keyspace].get((id_, field))
        if held is None or at >= held[0]:
            self.lasts[keyspace][id_, field] = (at, text)

    def _ring(self, user: str, metric: str, at: int, delta: int) -> None:
        for grain, (length, slots) in GRAINS.items():
            bucket = at // length
            key = user, f"{metric}:{grain}{bucket % slots}"
            held, total = self.rings.get(key, (-1, 0))
            if bucket > held:
                self.rings[key] = (bucket, delta)
            elif bucket == held:
                self.rings[key] = (bucket, total + delta)

    def _max(self, keyspace: str, id_: str, member: str, at: int) -> None:
        held = self.maxima[keyspace]
        held[id_, member] = max(at, held.get((id_, member), at))

    def _like(self, user: str, product: str, category: str, at: int, weight: int) -> None:
        week = growth(at, 7 * 86_400_000) * weight
        self.scores["user:affinity:category"][user, category] += week
        self.scores["user:affinity:product"][user, product] += week
        self.scores["product:trending"]["all", product] += growth(at, 86_400_000) * weight

    def _sessions(self, e: dict[str, Any], at: int) -> None:
        user, kind, product = e["user_id"], e["type"], e["product_id"]
        self._group("active_users_by_minute", (at // 60_000 * 60_000, e["region"]), {user})
        if kind in ("page_view", "product_view", "cart_add", "checkout_started"):
            hour = at // 3_600_000 * 3_600_000
            self._group("funnel_by_hour", (hour, e["region"], kind), 1, {user})
        self._last("user", user, "seen", at, {"at": at, "type": kind})
        demand, cart = self.counters["product:demand"], self.counters["cart"]
        if kind == "product_view":
            self._ring(user, "views", at, 1)
            self._max("user:recent", user, product, at)
            self._like(user, product, e["category"], at, 1)
            demand[product, "views"] += 1
        elif kind == "cart_add":
            self._ring(user, "carts", at, 1)
            self._like(user, product, e["category"], at, 3)
            demand[product, "carts"] += 1
            cart[user, product] += e["quantity"]
        elif kind == "cart_remove":
            cart[user, product] -= e["quantity"]

    def _orders(self, e: dict[str, Any], at: int) -> None:
        user, order, total = e["user_id"], e["order_id"], cents(e["total"])
        state = {"status": e["type"], "user_id": user, "currency": e["currency"]}
        self._last("order", order, "state", at, state | {"total": total, "at": at})
        self._max("order:history", order, e["type"], at)
        if e["type"] != "placed":
            return
        minute, hour = at // 60_000 * 60_000, at // 3_600_000 * 3_600_000
        self._group("revenue_by_minute", (minute, e["region"], e["currency"]), 1, total)
        self._group("funnel_by_hour", (hour, e["region"], "order_placed"), 1, {user})
        self._group("customer_days", (user, at // 86_400_000 * 86_400_000), 1)
        self._ring(user, "orders", at, 1)
        self._ring(user, "spend", at, total)
        lines = [line | {"unit_price": cents(line["unit_price"])} for line in e["lines"]]
        self._last("order", order, "lines", at, lines)
        for line in lines:
            product, units = line["product_id"], line["quantity"]
            key = minute, e["region"], e["currency"], line["category"]
            self._group("revenue_by_category", key, 1, units, units * line["unit_price"])
            self.counters["product:demand"][product, "purchases"] += 1
            self.counters["product:demand"][product, "units"] += units
            self.counters["cart"][user, product] -= units
            self._like(user, product, line["category"], at, 8)

    def _payments(self, e: dict[str, Any], at: int) -> None:
        order, amount = e["order_id"], cents(e["amount"])
        key = at // 60_000 * 60_000, e["type"], e["method"]
        self._group("payments_by_minute", key, 1, amount)
        payment = {"status": e["type"], "payment_id": e["payment_id"], "method": e["method"]}
        self._last("order", order, "payment", at, payment | {"amount": amount, "at": at})
        self._max("order:history", order, f"payment.{e['type']}", at)

    def _requests(self, e: dict[str, Any], at: int) -> None:
        error, hit = int(e["status"] >= 500), int(e["cache_hit"])
        key = at // 60_000 * 60_000, e["tenant"], e["route"]
        self._group("requests_by_minute", key, 1, error, hit, [e["latency_us"]])

    def _flags(self, e: dict[str, Any], at: int) -> None:
        key = at // 3_600_000 * 3_600_000, e["flag"], e["variant"]
        self._group("exposures_by_hour", key, 1, {e["user_id"]})

    def _catalog(self, e: dict[str, Any], at: int) -> None:
        card = {"name": e["name"], "category": e["category"], "price": cents(e["price"])}
        card |= {"currency": e["currency"], "at": at}
        self._last("product:card", e["product_id"], "card", at, card)
        if e["type"] == "created":
            self._last("product:card", e["product_id"], "name", at, e["name"])

    def sections(self) -> dict[str, Section]:
        """Every section but the latency quantiles, whose lists stay in ``views``."""
        found: dict[str, Section] = {
            f"table.{name}": {(p,): tuple(row) for p, row in rows.items()}
            for name, rows in self.tables.items()
        }
        for name, groups in self.views.items():
            found[f"view.{name}"] = {
                key: tuple(
                    len(value) if isinstance(value, set) else value
                    for value in values
                    if not isinstance(value, list)
                )
                for key, values in groups.items()
            }
        redis: dict[str, dict[tuple[str, str], str]] = defaultdict(dict)
        for keyspace, counts in self.counters.items():
            redis[keyspace] |= {key: str(n) for key, n in counts.items() if n}
        for keyspace, lasts in self.lasts.items():
            redis[keyspace] |= {key: f"{at:013d}|{text}" for key, (at, text) in lasts.items()}
        redis["user"] |= {key: f"{bucket}:{n}" for key, (bucket, n) in self.rings.items()}
        for keyspace, scores in self.scores.items():
            redis[keyspace] |= {key: repr(score) for key, score in scores.items()}
        redis["order:history"] |= {
            k: repr(float(at)) for k, at in self.maxima["order:history"].items()
        }
        by_user: dict[str, list[tuple[int, str]]] = defaultdict(list)
        for (user, product), at in self.maxima["user:recent"].items():
            by_user[user].append((at, product))
        for user, seen in by_user.items():
            for at, product in sorted(seen, reverse=True)[:50]:
                redis["user:recent"][user, product] = repr(float(at))
        return found | {
            f"redis.{keyspace}": {key: (value,) for key, value in entries.items()}
            for keyspace, entries in redis.items()
        }
