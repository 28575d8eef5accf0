"""What is told, what is not, and that it does not depend on where the watcher was stopped."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.anomaly.watcher import Watcher
from tests.anomaly.worlds import SEASON, minute, told, topology

LEARNED = 4 * SEASON


def learned(seed: int = 1, **anomalies: Any) -> Watcher:
    watcher = Watcher(topology(**anomalies))
    assert told(watcher, 0, LEARNED - 1, seed) == []
    return watcher


def states(events: list[dict[str, Any]]) -> list[str]:
    return [event["state"] for event in events]


@pytest.mark.parametrize("seed", range(2))
def test_quiet_days_are_quiet(seed: int) -> None:
    assert told(learned(seed), LEARNED, 3 * LEARNED, seed) == []


def test_what_happens_together_is_one_alert_opened_and_resolved_once() -> None:
    watcher = learned()
    begin, end = LEARNED + 30, LEARNED + 60
    events = told(watcher, LEARNED, begin - 1, 1)
    events += told(watcher, begin, end - 1, 1, factor=0.2, failing=0.5)
    events += told(watcher, end, end + 60, 1)
    assert states(events) == ["opened", "resolved"]
    opened, resolved = events
    assert opened["alert_id"] == resolved["alert_id"]
    assert begin <= opened["started_at"] // 60_000 <= begin + 2
    assert opened["judged_at"] // 60_000 <= begin + 6
    assert end < resolved["ended_at"] // 60_000 <= end + 30
    watches = {(s["watch"], *s["labels"].values()) for s in resolved["series"]}
    assert watches == {("orders", "eu"), ("orders", "us"), ("errors",)}
    drops = [s["change"] for s in resolved["series"] if s["watch"] == "orders"]
    assert all(change < -0.2 for change in drops)


def test_the_anomaly_itself_is_not_learned() -> None:
    watcher = learned()
    at = LEARNED + 30
    told(watcher, LEARNED, at - 1, 1)
    told(watcher, at, at + 29, 1, factor=0.2)
    told(watcher, at + 30, at + SEASON - 1, 1)
    again = told(watcher, at + SEASON, at + SEASON + 29, 1, factor=0.2)
    assert states(again) == ["opened"]


def test_a_shift_that_lasts_is_adopted_and_told_no_more() -> None:
    events = told(learned(), LEARNED, LEARNED + 3 * SEASON, 1, factor=2.0)
    assert states(events) == ["opened", "resolved"]
    lasted = (events[1]["judged_at"] - events[0]["started_at"]) // 60_000
    assert 60 <= lasted <= 65


def test_minutes_without_any_event_are_a_drop_and_no_error_rate() -> None:
    watcher = learned()
    events = [e for n in range(LEARNED, LEARNED + 10) for e in watcher.judge(n, {})]
    assert states(events) == ["opened"]
    assert {s["watch"] for s in events[0]["series"]} == {"orders"}
    assert events[0]["series"][0]["change"] < -0.2


def test_past_the_daily_cap_a_group_is_silent_and_the_next_alert_says_so() -> None:
    watcher = learned()
    day = 1_440 - LEARNED % 1_440
    events: list[dict[str, Any]] = []
    at = LEARNED
    while at < LEARNED + day - SEASON:  # ups and downs until midnight
        events += told(watcher, at, at + 14, 1, factor=0.1)
        events += told(watcher, at + 15, at + 59, 1)
        at += 60
    opened = [e for e in events if e["state"] == "opened"]
    assert len(opened) == 3
    assert states(events).count("resolved") == 3
    told(watcher, at, LEARNED + day, 1)
    events = told(watcher, LEARNED + day + 1, LEARNED + day + 15, 1, factor=0.1)
    assert states(events) == ["opened"]
    assert events[0]["silenced"] > 3


@settings(max_examples=5)
@given(st.lists(st.integers(1, 149), max_size=6, unique=True), st.integers(0, 1_000))
def test_the_same_alerts_wherever_it_is_stopped(cuts: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    factors = np.where(rng.random(10) < 0.4, 0.1, 1.0).repeat(15)
    declared = topology(learn_seasons=2)
    whole, cut = Watcher(declared), Watcher(declared)
    first = 3 * SEASON
    for watcher in (whole, cut):
        told(watcher, 0, first - 1, seed)
    expected, found = [], []
    for i, factor in enumerate(factors.tolist()):
        values = minute(first + i, seed, factor)
        expected += whole.judge(first + i, values)
        if i in cuts:
            state = cut.dump()
            cut = Watcher(declared)
            assert cut.load(state) == []
            assert cut.dump() == state
        found += cut.judge(first + i, dict(reversed(values.items())))
    assert found == expected
    assert cut.dump() == whole.dump()


def test_memory_is_bounded_by_the_declared_number_of_series() -> None:
    watch = {"metric": "orders", "by": ["region"], "group": "shop", "max_series": 50}
    watcher = Watcher(topology(watches={"orders": watch}))
    for number in range(200):
        labels = {(f"r{number}-{i}",): (1.0, 1.0) for i in range(10)}
        watcher.judge(number, {"orders": labels})
    assert watcher.series() == {"orders": 50}
    slots = SEASON // 10
    assert len(watcher.dump()) < 50 * (2 * slots + 20) * 8 + 5_000


def test_minutes_must_come_in_order() -> None:
    watcher = Watcher(topology())
    watcher.judge(5, {})
    with pytest.raises(ValueError, match="minute 7 after 5"):
        watcher.judge(7, {})


def test_a_watch_declared_otherwise_begins_anew_and_what_it_had_open_ends() -> None:
    watcher = learned()
    opened = told(watcher, LEARNED, LEARNED + 9, 1, factor=0.1)
    assert states(opened) == ["opened"]
    changed = topology(slot_minutes=20)
    other = Watcher(changed)
    assert other.load(watcher.dump()) == ["orders", "errors"]
    (resolved,) = told(other, LEARNED + 10, LEARNED + 10, 1)
    assert (resolved["state"], resolved["alert_id"]) == ("resolved", opened[0]["alert_id"])


def test_ids_follow_from_what_began_the_alert() -> None:
    events = [told(learned(), LEARNED, LEARNED + 9, 1, factor=0.1)[0] for _ in range(2)]
    assert events[0] == events[1]
    assert events[0]["event_id"] == f"{events[0]['alert_id']}.opened"
