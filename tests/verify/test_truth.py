"""The plain-Python recount, against answers worked out by hand from docs/views.md."""

from __future__ import annotations

from pathlib import Path

from headrace import topology
from loadgen.verify.sections import state_of
from loadgen.verify.truth import LANDMARK_MS, Truth, decayed

DECLARED = topology.load(Path(__file__).resolve().parents[2])
T = LANDMARK_MS + 10_000  # ten seconds past a full day, hour and minute
BASE = {"event_id": "e", "region": "apac", "user_id": "u"}


def money(amount):
    return amount.to_bytes(6, "big", signed=True)


def session(kind, ms=T, product="p", quantity=None, **more):
    event = {**BASE, "occurred_at": ms, "type": kind, "product_id": product, "category": "c"}
    return {**event, "quantity": quantity, "unit_price": None, **more}


def order(kind, ms=T, lines=(), total=0, order_id="o"):
    return {
        **BASE,
        "occurred_at": ms,
        "type": kind,
        "order_id": order_id,
        "currency": "EUR",
        "total": money(total),
        "lines": [
            {"product_id": p, "category": "c", "quantity": q, "unit_price": money(c)}
            for p, q, c in lines
        ],
    }


def counted(*events):
    truth = Truth()
    for offset, (topic, event) in enumerate(events):
        truth.add(topic, 0, offset, event)
    return truth


def rows(truth, section):
    return state_of(truth, DECLARED)[section].rows()


def test_carts_add_up_over_sessions_and_orders_and_vanish_at_zero():
    truth = counted(
        ("shop.sessions", session("cart_add", quantity=3)),
        ("shop.sessions", session("cart_remove", quantity=1)),
        ("shop.sessions", session("cart_add", product="q", quantity=1)),
        ("shop.orders", order("placed", lines=[("q", 1, 500)], total=500)),
    )
    assert rows(truth, "redis.cart") == [("u", "p", "2")]


def test_a_user_s_rings_last_seen_and_recent_products():
    truth = counted(
        ("shop.sessions", session("product_view")),
        ("shop.sessions", session("product_view", ms=T + 3_600_000, product="q")),
        ("shop.sessions", session("page_view", ms=T + 1, product=None)),
        ("shop.orders", order("placed", total=1_234)),
    )
    user = {field: value for _, field, value in rows(truth, "redis.user")}
    day, hour = T // 86_400_000, T // 3_600_000
    assert user[f"views:d{day % 30}"] == f"{day}:2"
    assert user[f"views:h{hour % 24}"] == f"{hour}:1"
    assert user[f"views:h{(hour + 1) % 24}"] == f"{hour + 1}:1"
    # One hour is 12 slots of 5 minutes: the later view took the earlier one's slot.
    assert user[f"views:m{T // 300_000 % 12}"] == f"{T // 300_000 + 12}:1"
    assert user[f"spend:d{day % 30}"] == f"{day}:1234"
    assert user["seen"] == f'{T + 3_600_000}|{{"at":{T + 3_600_000},"type":"product_view"}}'
    assert rows(truth, "redis.user:recent") == [
        ("u", "p", repr(float(T))),
        ("u", "q", repr(float(T + 3_600_000))),
    ]


def test_interest_decays_forward_from_the_landmark():
    assert decayed(LANDMARK_MS, 1) == 1.0
    assert decayed(LANDMARK_MS + 86_400_000, 86_400_000) == 2.0
    truth = counted(
        ("shop.sessions", session("product_view", ms=LANDMARK_MS)),
        ("shop.sessions", session("cart_add", ms=LANDMARK_MS, quantity=1)),
        ("shop.orders", order("placed", ms=LANDMARK_MS, lines=[("p", 2, 100)], total=200)),
    )
    assert rows(truth, "redis.user:affinity:category") == [("u", "c", "12.0")]
    assert rows(truth, "redis.product:trending") == [("all", "p", "12.0")]
    demand = {field: value for _, field, value in rows(truth, "redis.product:demand")}
    assert demand == {"views": "1", "carts": "1", "purchases": "1", "units": "2"}


def test_orders_and_payments_keep_the_newest_by_event_time():
    truth = counted(
        ("shop.orders", order("paid", ms=T + 2)),
        ("shop.orders", order("placed", ms=T, lines=[("p", 2, 617)], total=1_234)),
        (
            "shop.payments",
            {**BASE, "occurred_at": T + 1, "type": "captured", "payment_id": "y",
             "order_id": "o", "method": "card", "amount": money(1_234)},
        ),
    )  # fmt: skip
    held = {field: value for _, field, value in rows(truth, "redis.order")}
    assert '"status":"paid"' in held["state"]
    assert held["lines"] == (
        f'{T}|[{{"product_id":"p","category":"c","quantity":2,"unit_price":617}}]'
    )
    assert '"amount":1234' in held["payment"]
    history = {field: value for _, field, value in rows(truth, "redis.order:history")}
    assert history == {
        "placed": repr(float(T)),
        "paid": repr(float(T + 2)),
        "payment.captured": repr(float(T + 1)),
    }
    minute = T // 60_000 * 60_000
    assert rows(truth, "view.revenue_by_minute") == [(minute, "apac", "EUR", 1, 1_234)]
    assert rows(truth, "view.revenue_by_category") == [(minute, "apac", "EUR", "c", 1, 2, 1_234)]
    assert rows(truth, "view.customer_days") == [("u", T // 86_400_000 * 86_400_000, 1)]
    assert rows(truth, "view.payments_by_minute") == [(minute, "captured", "card", 1, 1_234)]


def test_requests_flags_and_the_funnel():
    request = {**BASE, "occurred_at": T, "tenant": "t", "route": "/r", "cache_hit": True}
    truth = counted(
        ("platform.requests", {**request, "status": 500, "latency_us": 10}),
        ("platform.requests", {**request, "status": 200, "latency_us": 30, "cache_hit": False}),
        ("platform.flags", {**BASE, "occurred_at": T, "flag": "f", "variant": "on"}),
        ("shop.sessions", session("page_view")),
        ("shop.sessions", session("search")),
        ("shop.orders", order("placed")),
    )
    minute, hour = T // 60_000 * 60_000, T // 3_600_000 * 3_600_000
    (row,) = rows(truth, "view.requests_by_minute")
    assert row == (minute, "t", "/r", 2, 1, 1, 10.0, 10.0, 10.0)
    assert rows(truth, "view.exposures_by_hour") == [(hour, "f", "on", 1, 1)]
    assert rows(truth, "view.funnel_by_hour") == [
        (hour, "apac", "order_placed", 1, 1),
        (hour, "apac", "page_view", 1, 1),
    ]
    assert rows(truth, "view.active_users_by_minute") == [(minute, "apac", 1)]


def test_two_parts_of_a_log_merge_to_the_whole():
    events = [
        ("shop.sessions", session("product_view", ms=T + i * 60_000, product=f"p{i % 3}"))
        for i in range(30)
    ] + [("shop.orders", order("placed", ms=T + i, total=i, order_id=f"o{i}")) for i in range(9)]
    whole, left, right = Truth(), Truth(), Truth()
    for offset, (topic, event) in enumerate(events):
        for truth in (whole, left if offset % 2 else right):
            truth.add(topic, 0, offset, event)
    left.merge(right)
    expected, merged = state_of(whole, DECLARED), state_of(left, DECLARED)
    assert expected.keys() == merged.keys()
    for name, frame in expected.items():
        assert frame.equals(merged[name]), name
