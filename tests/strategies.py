"""Events of the shop: one that is whole, and logs of many with everything a log can have."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import strategies as st

Event = dict[str, Any]

#: 2026-03-01T11:59:50Z: buckets of 5 minutes, hours and days end soon after.
START_MS = 1_772_366_390_000
MINUTE_MS, HOUR_MS, DAY_MS = 60_000, 3_600_000, 86_400_000

_USUAL: dict[str, Event] = {
    "shop.catalog": {
        "product_id": "p1", "type": "created", "category": "books", "price": "9.99",
        "currency": "EUR",
    },
    "shop.sessions": {
        "user_id": "u1", "type": "page_view", "session_id": "s1", "device": "app",
    },
    "shop.orders": {
        "user_id": "u1", "type": "placed", "order_id": "o1", "currency": "EUR", "total": "12.50",
    },
    "shop.payments": {
        "user_id": "u1", "type": "captured", "payment_id": "y1", "order_id": "o1",
        "method": "card", "amount": "12.50", "currency": "EUR",
    },
    "platform.requests": {
        "tenant": "t1", "route": "/v1/carts", "method": "GET", "status": 200, "latency_us": 900,
        "cache_hit": False, "bytes_sent": 10,
    },
    "platform.flags": {
        "user_id": "u1", "flag": "f1", "variant": "on", "reason": "split",
    },
}  # fmt: skip
TOPICS = tuple(_USUAL)


def event(topic: str, at: int = 0, **fields: Any) -> Event:
    """A whole event, ``at`` ms after START_MS, with these fields instead of the usual ones."""
    common = {
        "event_id": "e",
        "occurred_at": START_MS + at,
        "producer": "test",
        "schema_version": 1,
        "region": "eu_west",
    }
    return common | _USUAL[topic] | fields


def line(product: str = "p1", category: str = "books", quantity: int = 1, price: str = "1.00"):
    """An order line."""
    return {
        "product_id": product, "category": category, "quantity": quantity, "unit_price": price,
    }  # fmt: skip


# Few names, so that events meet; text that JSON, Lua and glob patterns could stumble over.
_users = st.sampled_from(["u1", "u2", 'é"{}|\\'])
_products = st.sampled_from(["p1", "p2", "p3", 'x:"\\'])
_categories = st.sampled_from(["books", "toys"])
_money = st.integers(0, 99_999).map(lambda cents: f"{cents // 100}.{cents % 100:02}")
#: Ties, seconds, bucket ends, and lateness of days: within the 27 half-lives of the trending score
#: (a day each) in which its sums are exact.
_times = st.one_of(
    st.sampled_from([0, 1, 9_999, 10_000, -1]),
    st.integers(-2 * HOUR_MS, 2 * HOUR_MS),
    st.integers(-20 * DAY_MS, 2 * DAY_MS),
)
_lines = st.lists(
    st.builds(line, _products, _categories, st.integers(1, 9), _money), min_size=0, max_size=3
)
_optional = st.none() | _products

_FIELDS: dict[str, dict[str, st.SearchStrategy[Any]]] = {
    "shop.catalog": {
        "product_id": _products,
        "type": st.sampled_from(["created", "price_changed"]),
        "name": st.none() | st.text(max_size=3),
        "category": _categories,
        "price": _money,
    },
    "shop.sessions": {
        "user_id": _users,
        "type": st.sampled_from(["page_view", "search", "product_view", "cart_add", "cart_remove"]),
        "product_id": _optional,
        "category": st.none() | _categories,
        "quantity": st.none() | st.integers(1, 4),
    },
    "shop.orders": {
        "user_id": _users,
        "type": st.sampled_from(["placed", "placed", "paid", "shipped", "refunded"]),
        "order_id": st.sampled_from(["o1", "o2", "o3"]),
        "total": _money,
        "lines": _lines,
    },
    "shop.payments": {
        "user_id": _users,
        "type": st.sampled_from(["authorised", "captured", "failed", "refunded"]),
        "order_id": st.sampled_from(["o1", "o2", "o3"]),
        "payment_id": st.sampled_from(["y1", "y2"]),
        "amount": _money,
    },
    "platform.requests": {"status": st.sampled_from([200, 500]), "latency_us": st.integers(0, 9)},
    "platform.flags": {"user_id": _users},
}


def events(topic: str) -> st.SearchStrategy[Event]:
    """One event of a topic."""
    return st.builds(
        lambda at, fields: event(topic, at, **fields),
        _times,
        st.fixed_dictionaries(_FIELDS[topic]),
    )


@st.composite
def logs(draw: st.DrawFn, topic: str, max_size: int = 25) -> list[Event | None]:
    """A partition's log: late, out of order, equal times, duplicates, tombstones."""
    least = draw(st.sampled_from([0, max_size // 3, max_size // 2]))  # short ones meet no one
    log: list[Event | None] = draw(
        st.lists(events(topic) | st.none(), min_size=least, max_size=max_size)
    )
    repeated = draw(st.lists(st.integers(0, max(len(log) - 1, 0)), max_size=3))
    return log + [log[i] for i in repeated if log]


def cuts(length: int) -> st.SearchStrategy[list[tuple[int, int]]]:
    """Ways to cut a log into blocks: (from, behind) of each."""

    def ranges(places: list[int]) -> list[tuple[int, int]]:
        edges = sorted({0, length, *places})
        return list(pairwise(edges))

    return st.lists(st.integers(0, length), max_size=4).map(ranges)
