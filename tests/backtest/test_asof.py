"""Values as they were at a moment, against an oracle that looks at nothing later than it."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.backtest.asked import asked, joined
from headrace.errors import ConfigError
from headrace.testing import project
from sinks.clickhouse.asof import ViewAsOf
from sinks.clickhouse.offline import OfflineViews
from tests.strategies import DAY_MS, HOUR_MS, MINUTE_MS, START_MS, cuts, logs

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "shop.orders"
#: A chDB of its own each time: few examples, each of many moments.
FEW = settings(max_examples=settings.default.max_examples // 8)

_moments = st.lists(
    st.sampled_from([0, 1, -1, 9_999, 10_000]) | st.integers(-2 * HOUR_MS, 2 * HOUR_MS),
    min_size=1,
    max_size=12,
)


def fed(target: OfflineViews, table: str, log, ranges) -> None:
    for first, behind in ranges:
        if behind > first:
            target.insert(table, project(ROOT).frame(TOPIC, log[first:behind], 0, first).df)


def placed(log, until: int):
    """Orders placed at or before a moment."""
    events = [event for event in log if event is not None]
    return [e for e in events if e["type"] == "placed" and e["occurred_at"] <= until]


@FEW
@given(st.data())
def test_orders_of_a_customers_day_so_far(data):
    log = data.draw(logs(TOPIC))
    at = [START_MS + moment for moment in data.draw(_moments)]
    users = data.draw(st.lists(st.sampled_from(["u1", "u2", "nobody"]), min_size=1, max_size=2))
    rows = [
        {"day": moment // DAY_MS * DAY_MS, "user_id": user, "when": moment}
        for moment in at
        for user in users
    ]
    given_file = pl.DataFrame(rows).with_columns(
        pl.col("day", "when").cast(pl.Datetime("ms", "UTC"))
    )
    with ViewAsOf(ROOT, project(ROOT).topology, "customer_days", "occurred_at") as target:
        fed(target, "orders", log, data.draw(cuts(len(log))))
        answers = target.answers(asked(given_file, ["user_id", "day"], "when"))
    found = joined(given_file, answers, ["orders"])
    expected = []
    for row in rows:
        count = sum(
            e["user_id"] == row["user_id"] and e["occurred_at"] // DAY_MS * DAY_MS == row["day"]
            for e in placed(log, row["when"])
        )
        expected.append(count or None)
    assert found["orders"].to_list() == expected
    assert found.drop("orders").equals(given_file)


@FEW
@given(st.data())
def test_a_minutes_revenue_so_far(data):
    log = data.draw(logs(TOPIC))
    at = [START_MS + moment for moment in data.draw(_moments)]
    rows = [
        {
            "minute": moment // MINUTE_MS * MINUTE_MS,
            "region": "eu_west",
            "currency": "EUR",
            "timestamp": moment,
        }
        for moment in at
    ]
    given_file = pl.DataFrame(rows).with_columns(pl.col("minute").cast(pl.Datetime("ms", "UTC")))
    key = ["minute", "region", "currency"]
    with ViewAsOf(ROOT, project(ROOT).topology, "revenue_by_minute", "occurred_at") as target:
        fed(target, "orders", log, data.draw(cuts(len(log))))
        answers = target.answers(asked(given_file, key, "timestamp"))
    found = joined(given_file, answers, ["orders", "revenue"])
    for row, orders, revenue in zip(rows, found["orders"], found["revenue"], strict=True):
        of_minute = [
            e
            for e in placed(log, row["timestamp"])
            if e["occurred_at"] // MINUTE_MS * MINUTE_MS == row["minute"]
        ]
        cents = sum(round(float(e["total"]) * 100) for e in of_minute)
        assert (orders or 0, round(100 * float(revenue or 0))) == (len(of_minute), cents)


@pytest.mark.parametrize(
    ("columns", "wrong"),
    [
        ({"day": [1], "when": [1]}, "no column 'user_id'; it needs user_id, day and when"),
        ({"user_id": ["u"], "day": [1], "when": ["x"]}, "'when' is String, not a time"),
        ({"user_id": ["u"], "day": [1], "when": [None]}, "'when' is Null"),
        ({"user_id": [None], "day": [1], "when": [1]}, "'user_id' has empty cells"),
    ],
)
def test_a_file_that_does_not_fit_is_told(columns, wrong):
    with pytest.raises(ConfigError, match=wrong):
        asked(pl.DataFrame(columns), ["user_id", "day"], "when")
