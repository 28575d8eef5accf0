"""The features that topology.yaml declares, row by row of the table in docs/views.md."""

from __future__ import annotations

import math
from fractions import Fraction
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from bench.declared import declared
from headrace import topology
from headrace.block import TopicPartition
from headrace.declared.decay import factor
from headrace.memory import MemorySink
from headrace.testing import Given, frame, run
from tests.strategies import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, Event, event, line

SESSIONS, ORDERS = "shop.sessions", "shop.orders"
#: 2026-01-01T00:00:00Z in ms.
LANDMARK_MS = 1_767_225_600_000
AFFINITY_HALF_LIFE_MS, TRENDING_HALF_LIFE_MS = 7 * DAY_MS, DAY_MS
GRAINS = [("m", 5 * MINUTE_MS, 12), ("h", HOUR_MS, 24), ("d", DAY_MS, 30)]
FEATURES = declared()


def given(topic: str, *events: Event, partition: int = 0) -> MemorySink:
    return Given({TopicPartition(topic, partition): events}).when(FEATURES)


def view(at: int = 0, product: str = "p1", **fields: Any) -> Event:
    fields = {"category": "books", **fields}
    return event(SESSIONS, at, type="product_view", product_id=product, **fields)


def add(at: int = 0, product: str = "p1", **fields: Any) -> Event:
    fields = {"category": "books", "quantity": 1, **fields}
    return event(SESSIONS, at, type="cart_add", product_id=product, **fields)


def placed(at: int = 0, *lines: Event, **fields: Any) -> Event:
    return event(ORDERS, at, type="placed", lines=list(lines), **fields)


def weight(at: int, half_life_ms: int) -> float:
    """The factor in exact arithmetic as far as it goes: 16 significant bits, half to even."""
    power = (START_MS + at - LANDMARK_MS) / half_life_ms
    mantissa, exponent = math.frexp(math.exp2(power))
    return math.ldexp(round(Fraction(mantissa) * 2**16), exponent - 16)


def test_seen_is_the_newest_event_whatever_it_is():
    state = given(SESSIONS, view(5_000), event(SESSIONS, 9_000, type="search"), view(7_000))
    version = f"{START_MS + 9_000}.{1:015d}"
    value = f'{{"at":{START_MS + 9_000},"type":"search"}}'
    assert state.redis[0, "user", "u1"]["seen"] == (version, value)


def test_of_events_at_the_same_time_the_later_record_was_seen():
    state = given(SESSIONS, event(SESSIONS, type="search"), event(SESSIONS, type="page_view"))
    assert '"page_view"' in state.redis[0, "user", "u1"]["seen"][1]


@pytest.mark.parametrize(("grain", "length", "slots"), GRAINS)
@pytest.mark.parametrize(
    ("topic", "make", "metric", "amount"),
    [
        (SESSIONS, view, "views", 1),
        (SESSIONS, add, "carts", 1),
        (ORDERS, placed, "orders", 1),
        (ORDERS, placed, "spend", 1_250),
    ],
)
def test_rings(
    topic: str, make: Any, metric: str, amount: int, grain: str, length: int, slots: int
):
    round_later = slots * length
    state = given(topic, make(0), make(0), make(-length), make(length), make(-round_later))
    user = state.redis[0, "user", "u1"]
    bucket = START_MS // length
    rings = {f: v for f, v in user.items() if f.startswith(f"{metric}:{grain}")}
    assert rings == {
        f"{metric}:{grain}{b % slots}": (b, n * amount)
        for b, n in [(bucket - 1, 1), (bucket, 2), (bucket + 1, 1)]
    }


def test_what_is_not_a_view_or_a_cart_has_no_ring():
    state = given(SESSIONS, event(SESSIONS), event(SESSIONS, type="cart_remove", product_id="p1"))
    assert set(state.redis) == {(0, "user", "u1")}
    assert set(state.redis[0, "user", "u1"]) == {"seen"}


def test_recent_keeps_the_newest_time_of_a_product():
    state = given(SESSIONS, view(9_000), view(1_000), view(3_000, "p2"), add(99_000, "p3"))
    at = {"p1": START_MS + 9_000.0, "p2": START_MS + 3_000.0}
    assert state.redis[0, "user:recent", "u1"] == at


def test_recent_keeps_fifty_products_and_of_equal_times_the_greatest_names():
    names = [f"p{i:02}" for i in range(60)]
    state = given(SESSIONS, *(view(0, name) for name in names))
    assert sorted(state.redis[0, "user:recent", "u1"]) == names[10:]


def test_affinity_and_trending_of_views_and_carts():
    state = given(SESSIONS, view(1_000), add(HOUR_MS), view(0, "p2", category="toys"))
    week, day = AFFINITY_HALF_LIFE_MS, TRENDING_HALF_LIFE_MS
    p1, p2 = weight(1_000, week) + 3 * weight(HOUR_MS, week), weight(0, week)
    assert state.redis[0, "user:affinity:product", "u1"] == {"p1": p1, "p2": p2}
    assert state.redis[0, "user:affinity:category", "u1"] == {"books": p1, "toys": p2}
    trending = {"p1": weight(1_000, day) + 3 * weight(HOUR_MS, day), "p2": weight(0, day)}
    assert state.redis[0, "product:trending", "all"] == trending


def test_affinity_and_trending_of_order_lines():
    state = given(ORDERS, placed(0, line(quantity=5), line(), line("p2", "toys")))
    week, day = 8 * weight(0, AFFINITY_HALF_LIFE_MS), 8 * weight(0, TRENDING_HALF_LIFE_MS)
    assert state.redis[0, "user:affinity:product", "u1"] == {"p1": 2 * week, "p2": week}
    assert state.redis[0, "user:affinity:category", "u1"] == {"books": 2 * week, "toys": week}
    assert state.redis[0, "product:trending", "all"] == {"p1": 2 * day, "p2": day}


def test_an_event_without_a_category_says_nothing_of_categories():
    state = given(SESSIONS, view(category=None))
    assert (0, "user:affinity:category", "u1") not in state.redis
    assert (0, "user:affinity:product", "u1") in state.redis


def test_demand_of_sessions():
    state = given(SESSIONS, view(), view(), add(quantity=4), view(0, "p2"))
    assert state.redis[0, "product:demand", "p1"] == {"views": 2, "carts": 1}
    assert state.redis[0, "product:demand", "p2"] == {"views": 1}


def test_demand_of_orders():
    state = given(ORDERS, placed(0, line(quantity=2), line(quantity=3), line("p2", "toys")))
    assert state.redis[0, "product:demand", "p1"] == {"purchases": 2, "units": 5}
    assert state.redis[0, "product:demand", "p2"] == {"purchases": 1, "units": 1}


def test_only_placed_orders_count():
    others = ("paid", "packed", "shipped", "delivered", "cancelled", "refunded")
    assert given(ORDERS, *(event(ORDERS, type=t, lines=[line()]) for t in others)).redis == {}


def test_an_order_without_lines_counts_as_an_order():
    state = given(ORDERS, placed())
    assert set(state.redis) == {(0, "user", "u1")}


def test_data_stays_in_its_partition():
    state = given(SESSIONS, view(), partition=3)
    assert {key[0] for key in state.redis} == {3}


def test_an_empty_block_changes_nothing():
    for log in ([], [None, None]):
        assert run(FEATURES, frame(SESSIONS, log)).redis == {}


@pytest.mark.parametrize("days", [-300, 0, 59, 400])
@pytest.mark.parametrize("half_life_ms", [AFFINITY_HALF_LIFE_MS, TRENDING_HALF_LIFE_MS])
def test_the_factor_has_16_bits_and_is_near(days: int, half_life_ms: int):
    at = pl.Series([LANDMARK_MS + days * DAY_MS + 12_345])
    got = factor(at, half_life_ms, LANDMARK_MS)[0]
    mantissa, _ = math.frexp(got)
    assert mantissa * 2**16 == int(mantissa * 2**16)
    exact = math.exp2((days * DAY_MS + 12_345) / half_life_ms)
    assert abs(got - exact) <= exact * 2**-16


def test_the_factor_doubles_every_half_life():
    at = pl.Series([LANDMARK_MS + i * TRENDING_HALF_LIFE_MS for i in range(5)])
    assert factor(at, TRENDING_HALF_LIFE_MS, LANDMARK_MS).to_list() == [1, 2, 4, 8, 16]


def test_readers_are_told_of_the_rings_and_half_lives_that_are_kept():
    keyspaces = topology.load(Path(__file__).resolve().parents[2]).redis.keyspaces
    told = {(name, r.bucket_s * 1000, r.slots) for name, r in keyspaces["user"].rings.items()}
    assert told == set(GRAINS)
    half_lives = {
        "user:affinity:category": AFFINITY_HALF_LIFE_MS,
        "user:affinity:product": AFFINITY_HALF_LIFE_MS,
        "product:trending": TRENDING_HALF_LIFE_MS,
    }
    for name, half_life_ms in half_lives.items():
        decay = keyspaces[name].decay
        assert decay.half_life_hours * 3_600_000 == half_life_ms
        assert decay.landmark.timestamp() * 1000 == LANDMARK_MS
    assert {name for name, keyspace in keyspaces.items() if keyspace.decay} == set(half_lives)
