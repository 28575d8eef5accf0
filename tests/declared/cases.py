"""Declarations that together have every aggregate, window, key and store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from tests.declared.place import ORDERS, REQUESTS, SESSIONS

LANDMARK = datetime(2026, 1, 1, tzinfo=UTC)
#: Every aggregate that both stores keep, of a user's orders.
_OF_ORDERS: dict[str, Any] = {
    "orders": {"count": True},
    "carried": {"count": "carrier"},
    "spent": {"sum": "total"},
    "refunded": {"sum": "refund_amount"},
    "least": {"min": "total"},
    "most": {"max": "total", "where": "region = 'apac'"},
    "since": {"min": "occurred_at"},
    "opened": {"first": "order_id"},
    "carrier": {"last": "carrier"},
    "shown": {"distinct": "order_id", "exact": True},
    "often": {"top": "region", "n": 2},
    "recent": {"newest": "order_id", "n": 2, "where": "carrier IS NOT NULL"},
    "sizes": {"histogram": "total", "bounds": [10, 99.5, 500]},
}
DECLARED: dict[str, dict[str, Any]] = {
    "minutes": {
        "from": {ORDERS: {"where": "type = 'placed'"}},
        "key": ["region", "currency"],
        "window": {"every": "1m", "name": "minute"},
        "fields": {**_OF_ORDERS, "totals": {"quantiles": "total", "levels": [0.1, 0.5, 0.99]}},
        "keep": {"clickhouse": {"partition_by": "toYYYYMM(minute)"}},
    },
    "people": {
        "from": {
            ORDERS: {"map": {"weight": "8"}},
            SESSIONS: {
                "where": "product_id IS NOT NULL",
                "map": {"weight": "CASE WHEN type = 'cart_add' THEN 3 ELSE 1 END"},
            },
        },
        "key": ["user_id"],
        "fields": {
            **{name: {**one, "from": [ORDERS]} for name, one in _OF_ORDERS.items()},
            "events": {"count": True},
            "weight": {"sum": "weight"},
            "products": {"top": "product_id", "n": 3, "from": [SESSIONS]},
        },
        "keep": ["clickhouse", "redis"],
    },
    "weeks": {
        "from": {
            ORDERS: {
                "where": "type = 'placed' AND lines.quantity > 1",
                "each": "lines",
                "map": {"category": "lines.category"},
            }
        },
        "key": ["category"],
        "window": {"calendar": "week", "zone": "Europe/Berlin", "name": "week"},
        "fields": {
            "units": {"sum": "lines.quantity"},
            "revenue": {"sum": "lines.unit_price * lines.quantity"},
        },
        "keep": ["clickhouse", "redis"],
    },
    "sliding": {
        "from": REQUESTS,
        "key": ["tenant", "route"],
        "window": {"every": "1m", "length": "3m", "name": "begin"},
        "fields": {
            "requests": {"count": True},
            "errors": {"count": True, "where": "status >= 500"},
            "slow": {"max": "latency_us"},
        },
        "keep": ["clickhouse", "redis"],
    },
    "interest": {
        "from": {SESSIONS: {"where": "product_id IS NOT NULL"}},
        "key": ["user_id"],
        "fields": {
            "category": {
                "decayed": "CASE WHEN type = 'cart_add' THEN 3 ELSE 1 END",
                "by": "category",
                "half_life_hours": 168,
                "landmark": LANDMARK,
            }
        },
        "keep": {"redis": {"keyspace": "affinity"}},
    },
    "seen": {
        "from": SESSIONS,
        "key": ["user_id"],
        "fields": {
            "seen": {"last": {"at": "occurred_at", "type": "type", "price": "unit_price"}},
            "views": {"count": True, "where": "type = 'product_view'"},
            "units": {"sum": "quantity"},
        },
        "keep": {
            "redis": {
                "keyspace": "user",
                "rings": {
                    "m": {"bucket_s": 300, "slots": 12},
                    "d": {"bucket_s": 86400, "slots": 3},
                },
            }
        },
        "retention_hours": 960,
    },
    "months": {
        "from": {ORDERS: {"where": "lines.quantity > 1", "each": "lines"}},
        "window": {"calendar": "month", "zone": "America/New_York", "name": "month"},
        "fields": {"lines": {"count": True}},
        "keep": "clickhouse",
    },
}

Row = dict[str, Any]
#: The expressions above as plain Python reads them: of an event and perhaps an entry of its list.
EXPRESSIONS: dict[str, Callable[[Row, Row], Any]] = {
    "type = 'placed'": lambda e, _: e["type"] == "placed",
    "type = 'placed' AND lines.quantity > 1": (
        lambda e, line: e["type"] == "placed" and line["quantity"] > 1
    ),
    "lines.quantity > 1": lambda _, line: line["quantity"] > 1,
    "type = 'product_view'": lambda e, _: e["type"] == "product_view",
    "region = 'apac'": lambda e, _: e["region"] == "apac",
    "carrier IS NOT NULL": lambda e, _: e.get("carrier") is not None,
    "product_id IS NOT NULL": lambda e, _: e.get("product_id") is not None,
    "status >= 500": lambda e, _: e["status"] >= 500,
    "8": lambda *_: 8,
    "CASE WHEN type = 'cart_add' THEN 3 ELSE 1 END": lambda e, _: (
        3 if e["type"] == "cart_add" else 1
    ),
    "total": lambda e, _: _money(e["total"]),
    "refund_amount": lambda e, _: _money(e.get("refund_amount")),
    "unit_price": lambda e, _: _money(e.get("unit_price")),
    "lines.category": lambda _, line: line["category"],
    "lines.quantity": lambda _, line: line["quantity"],
    "lines.unit_price * lines.quantity": lambda _, line: (
        Decimal(line["unit_price"]) * line["quantity"]
    ),
}


def _money(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def expression(text: str) -> Callable[[Row, Row], Any]:
    """An expression as plain Python reads it; a plain name is a field."""
    return EXPRESSIONS.get(text) or (lambda event, _: event.get(text))
