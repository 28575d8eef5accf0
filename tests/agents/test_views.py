"""Read models, row by row of the table in docs/views.md."""

from __future__ import annotations

from typing import Any

import orjson

from agents.views import views
from headrace.memory import MemorySink
from headrace.testing import Given
from tests.strategies import START_MS, Event, event, line

CATALOG, SESSIONS, ORDERS, PAYMENTS = (
    "shop.catalog", "shop.sessions", "shop.orders", "shop.payments",
)  # fmt: skip


def given(topic: str, *events: Event) -> MemorySink:
    return Given({topic: events}).when(views)


def last(state: MemorySink, keyspace: str, entity: str, field: str) -> str:
    """The text of a last value."""
    return state.redis[0, keyspace, entity][field][1]


def move(kind: str, quantity: int | None, product: str | None = "p1", **fields: Any) -> Event:
    return event(SESSIONS, type=kind, quantity=quantity, product_id=product, **fields)


def test_an_orders_state_is_its_newest_event_byte_for_byte():
    state = given(ORDERS, event(ORDERS, 5, type="shipped"), event(ORDERS, 3, type="paid"))
    at = START_MS + 5
    assert state.redis[0, "order", "o1"]["state"] == (
        f"{at}.{0:015d}",
        f'{{"status":"shipped","user_id":"u1","currency":"EUR","total":1250,"at":{at}}}',
    )


def test_later_records_win_only_with_later_events():
    late = [event(ORDERS, 5, type="shipped"), event(ORDERS, 4, type="paid")]
    state = given(ORDERS, *late)
    assert orjson.loads(last(state, "order", "o1", "state"))["status"] == "shipped"
    state = given(ORDERS, *late, event(ORDERS, 5, type="delivered"))
    assert orjson.loads(last(state, "order", "o1", "state"))["status"] == "delivered"


def test_an_orders_lines_are_those_placed_byte_for_byte():
    lines = [line("p2", "toys", 3, "0.05"), line('x"\\é', "books", 1, "9999999999.99")]
    state = given(ORDERS, event(ORDERS, lines=lines), event(ORDERS, 9, type="paid"))
    assert last(state, "order", "o1", "lines") == (
        '[{"product_id":"p2","category":"toys","quantity":3,"unit_price":5},'
        '{"product_id":"x\\"\\\\é","category":"books","quantity":1,"unit_price":999999999999}]'
    )


def test_an_order_placed_without_lines_has_an_empty_list():
    assert last(given(ORDERS, event(ORDERS)), "order", "o1", "lines") == "[]"


def test_an_order_never_placed_has_no_lines():
    assert set(given(ORDERS, event(ORDERS, type="paid")).redis[0, "order", "o1"]) == {"state"}


def test_an_orders_payment_is_its_newest():
    state = given(
        PAYMENTS,
        event(PAYMENTS, 1, type="failed", payment_id="y1"),
        event(PAYMENTS, 2, type="captured", payment_id="y2", method="wallet", amount="0.30"),
    )
    assert last(state, "order", "o1", "payment") == (
        '{"status":"captured","payment_id":"y2","method":"wallet","amount":30,'
        f'"at":{START_MS + 2}}}'
    )


def test_history_has_each_steps_newest_time():
    steps = [(1, "placed"), (9, "paid"), (4, "paid")]
    logs = {
        ORDERS: [event(ORDERS, at, type=step) for at, step in steps],
        PAYMENTS: [event(PAYMENTS, 7), event(PAYMENTS, 8, type="refunded")],
    }
    state = Given(logs).when(views)
    assert state.redis[0, "order:history", "o1"] == {
        "placed": START_MS + 1.0,
        "paid": START_MS + 9.0,
        "payment.captured": START_MS + 7.0,
        "payment.refunded": START_MS + 8.0,
    }


def test_a_cart_adds_and_removes():
    state = given(
        SESSIONS, move("cart_add", 3), move("cart_remove", 1), move("cart_add", 2, "p2"),
        move("product_view", None, "p3"),
    )  # fmt: skip
    assert state.redis[0, "cart", "u1"] == {"p1": 2, "p2": 2}


def test_a_cart_without_units_is_gone():
    assert given(SESSIONS, move("cart_add", 2), move("cart_remove", 2)).redis == {}


def test_an_order_empties_the_cart_also_when_it_comes_first():
    placed = event(ORDERS, lines=[line(quantity=2), line(quantity=1)])
    assert given(ORDERS, placed).redis[0, "cart", "u1"] == {"p1": -3}
    state = Given({ORDERS: [placed], SESSIONS: [move("cart_add", 3)]}).when(views)
    assert (0, "cart", "u1") not in state.redis


def test_orders_that_are_not_placed_leave_the_cart():
    assert (0, "cart", "u1") not in given(ORDERS, event(ORDERS, type="paid", lines=[line()])).redis


def test_moves_without_a_product_or_quantity_change_nothing():
    assert given(SESSIONS, move("cart_add", 1, None), move("cart_add", None)).redis == {}


def test_a_card_is_the_newest_event_and_keeps_the_name_it_was_created_with():
    state = given(
        CATALOG,
        event(CATALOG, 1, name='Tea "é"'),
        event(CATALOG, 2, type="price_changed", price="1.10", currency="GBP"),
    )
    assert last(state, "product:card", "p1", "card") == (
        f'{{"name":null,"category":"books","price":110,"currency":"GBP","at":{START_MS + 2}}}'
    )
    assert last(state, "product:card", "p1", "name") == 'Tea "é"'


def test_a_product_created_without_a_name_has_none():
    assert set(given(CATALOG, event(CATALOG)).redis[0, "product:card", "p1"]) == {"card"}


def test_json_is_what_a_json_library_writes():
    name = "".join(map(chr, range(32))) + '/"\\\x7f\u2028😀'
    card = last(given(CATALOG, event(CATALOG, name=name)), "product:card", "p1", "card")
    assert orjson.loads(card)["name"] == name


def test_an_empty_block_changes_nothing():
    for topic in (CATALOG, SESSIONS, ORDERS, PAYMENTS):
        assert given(topic).redis == {}
