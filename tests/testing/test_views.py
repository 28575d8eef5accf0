"""Views of ClickHouse in a test without services: the same rows however the log is cut."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from headrace.testing import Given, Project
from tests.strategies import MINUTE_MS, event, line

ROOT = Path(__file__).parents[2]
ORDERS, SESSIONS, REQUESTS = "shop.orders", "shop.sessions", "platform.requests"


def test_sums_over_blocks():
    log = [event(ORDERS), event(ORDERS, 5, total="0.50"), event(ORDERS, type="paid"), None]
    assert Given({ORDERS: log}).view("revenue_by_minute") == [
        {
            "minute": "2026-03-01 11:59:00", "region": "eu_west", "currency": "EUR",
            "orders": 2, "revenue": "13.00",
        }
    ]  # fmt: skip


def test_arrays_of_records():
    log = [event(ORDERS, lines=[line(quantity=2), line(category="toys"), line()])]
    rows = Given({ORDERS: log}).view("revenue_by_category")
    assert [(row["category"], row["lines"], row["units"]) for row in rows] == [
        ("books", 2, 3), ("toys", 1, 1),
    ]  # fmt: skip


def test_states_are_finished():
    log = [event(SESSIONS, at, user_id=f"u{at % 2}") for at in range(4)]
    (row,) = Given({SESSIONS: log}).view("active_users_by_minute")
    assert row["users"] == 2
    (row,) = Given({REQUESTS: [event(REQUESTS)] * 3}).view("requests_by_minute")
    assert row["latency_us"] == [pytest.approx(900, rel=0.01)] * 3


def test_a_view_of_two_topics():
    log = [event(SESSIONS), event(SESSIONS, type="cart_add")]
    rows = Given({SESSIONS: log, ORDERS: [event(ORDERS)]}).view("funnel_by_hour")
    assert {row["step"]: row["events"] for row in rows} == {
        "page_view": 1, "cart_add": 1, "order_placed": 1,
    }  # fmt: skip
    assert Given({ORDERS: []}).view("funnel_by_hour") == []


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """The project with a view whose sum is one a block, whatever is in it."""
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    content = yaml.safe_load((ROOT / "topology.yaml").read_text())
    content["clickhouse"].setdefault("views", {})["blocks_by_minute"] = {
        "columns": {
            "minute": "DateTime('UTC')",
            "blocks": "SimpleAggregateFunction(sum, UInt64)",
        },
        "order_by": ["minute"],
        "from": {
            "payments": "SELECT toStartOfMinute(occurred_at) AS minute, toUInt64(1) AS blocks "
            "FROM payments GROUP BY minute"
        },
    }
    (tmp_path / "topology.yaml").write_text(yaml.safe_dump(content))
    return Project(tmp_path)


def test_a_view_that_counts_blocks_is_found(project: Project):
    log = [event("shop.payments", at) for at in (0, 1, -MINUTE_MS)]
    with pytest.raises(AssertionError, match=r"(?s)how the log is cut.*-.*'blocks': 1.*\+.*: 2"):
        Given({"shop.payments": log}, within=project).view("blocks_by_minute")


def test_an_unknown_view_is_refused():
    with pytest.raises(KeyError, match="no view 'nothing' in the topology; there are revenue_by"):
        Given({ORDERS: [event(ORDERS)]}).view("nothing")
