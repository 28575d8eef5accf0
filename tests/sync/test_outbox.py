"""The outbox's promises that need no service: nothing is written that a topic would not take."""

from __future__ import annotations

from typing import Any

import pytest

from headrace import topology
from headrace.client.events import NotAnEvent
from headrace.errors import ConfigError
from headrace.schema import Registry, framing
from headrace.sync.outbox import Outbox
from tests.serve.server import ROOT

EVENT: dict[str, Any] = {
    "event_id": "e1", "occurred_at": 1, "producer": "orders", "schema_version": 1, "user_id": "ann",
    "region": "apac", "type": "placed", "order_id": "7", "currency": "EUR", "total": "1.50",
}  # fmt: skip


class Session:
    """Keeps what it is told to run."""

    def __init__(self) -> None:
        self.ran: list[tuple[Any, Any]] = []

    def execute(self, query: Any, params: Any = None, /) -> None:
        self.ran.append((query, params))


@pytest.fixture(scope="module")
def outbox() -> Outbox:
    return Outbox(ROOT, topology.load(ROOT))


def test_events_are_written_by_one_statement_keyed_and_framed(outbox: Outbox) -> None:
    session = Session()
    outbox.write(session, "shop.orders", EVENT, EVENT | {"event_id": "e2", "user_id": "bob"})
    ((query, (ids, topics, keys, values)),) = session.ran
    assert "INSERT INTO outbox" in query
    assert (ids, topics, keys) == (["e1", "e2"], ["shop.orders"] * 2, ["ann", "bob"])
    wanted = Registry.load(ROOT).latest("orders").id
    assert [framing.schema_id(value) for value in values] == [wanted, wanted]


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"total": "x"}, "total: expected decimal"),
        ({"colour": "red"}, "no field 'colour'"),
        ({"region": "mars"}, "one of eu_west"),
        ({"event_id": None}, "event_id"),
    ],
)
def test_one_wrong_event_and_nothing_is_written(
    outbox: Outbox, wrong: dict[str, Any], why: str
) -> None:
    session = Session()
    with pytest.raises(NotAnEvent, match=why):
        outbox.write(session, "shop.orders", EVENT, EVENT | wrong)
    assert session.ran == []


def test_a_topic_that_would_count_repeats_is_refused(outbox: Outbox) -> None:
    with pytest.raises(ConfigError, match=r"topics\.platform\.flags: no dedupe"):
        outbox.statement("platform.flags", [{}])
    with pytest.raises(ConfigError, match=r"'shop\.order' is not in topology\.yaml"):
        outbox.statement("shop.order", [EVENT])
