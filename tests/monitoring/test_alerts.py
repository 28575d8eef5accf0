"""Every alert with promtool: it fires on what it is for, alone, and on nothing ordinary."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.monitoring.recording import STEP_S
from tests.monitoring import DEPLOY
from tests.monitoring.series import (
    DAY,
    DECLARED,
    HOUR,
    INTERVAL,
    MINUTE,
    OWNED,
    answered,
    committed,
    counter,
    events,
    fresh,
    gauge,
    lag,
    letters,
    ordinary,
    requests,
    service_up,
)  # fmt: skip
from tests.tools import binary

TOPIC = "shop.orders"
RATE = 100.0
DELIVERY = "HeadraceDeliveryBudgetBurn"
#: One objective for all metrics of an owner that are promised the same.
PROMISES = len({(m.owner, m.objective) for m in DECLARED.metrics.values() if m.objective})
#: In promtool's labels: which alerts fire, how urgent, and by which window.
FIRING = 'count by (alertname, severity, window) (ALERTS{alertstate="firing"})'


def judge(
    folder: Path,
    series: dict[str, str],
    at: float,
    firing: list[tuple[str, str, str, int]],
    every: int,
    rules: Path | None = None,
) -> None:
    """Run promtool on one situation: exactly these alerts fire at that second."""
    samples = [
        {
            "labels": f'{{alertname="{name}", severity="{severity}"'
            + (f', window="{window}"}}' if window else "}"),
            "value": count,
        }
        for name, severity, window, count in firing
    ]
    asked = {"expr": FIRING, "eval_time": f"{round(at)}s", "exp_samples": samples}
    files = [rules] if rules else (DEPLOY / "prometheus").glob("*.rules.yml")
    test = {
        "rule_files": [str(path) for path in files],
        "evaluation_interval": f"{every}s",
        "tests": [
            {
                "interval": f"{INTERVAL}s",
                "input_series": [{"series": s, "values": v} for s, v in series.items()],
                "promql_expr_test": [asked],
            }
        ],
    }
    path = folder / "test.yml"
    path.write_text(yaml.safe_dump(test), encoding="utf-8")
    promtool = binary("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "test", "rules", path], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stdout + done.stderr  # fmt: skip


@pytest.mark.parametrize(("seconds", "every"), [(10 * MINUTE, STEP_S), (DAY, 15 * MINUTE)])
def test_an_ordinary_day_tells_nobody_anything(tmp_path, seconds, every):
    """From the first minute on."""
    judge(tmp_path, ordinary(seconds), seconds - MINUTE, [], every)


#: Budget burnt at a rate for a time after three clean days, then clean for a time; and the windows
#: that tell of it.
BURNS = {
    "most of an hour": (50, 40 * MINUTE, 0, [("page", "1h")]),
    "the same, and it is over": (50, 40 * MINUTE, 20 * MINUTE, []),
    "hours": (8, 5 * HOUR, 0, [("page", "6h")]),
    "the same hours, and over": (8, 5 * HOUR, HOUR, []),
    "most of a day": (4, 20 * HOUR, 0, [("ticket", "1d"), ("ticket", "3d")]),
    "the same day, and over": (4, 20 * HOUR, 7 * HOUR, []),
    "days": (1.5, 50 * HOUR, 0, [("ticket", "3d")]),
    "what the budget is for": (0.9, 50 * HOUR, 0, []),
}


@pytest.fixture(scope="module")
def of_delivery(tmp_path_factory):
    """The generated rules that have to do with one objective: days of all take minutes."""
    path = tmp_path_factory.mktemp("rules") / "delivery.yml"
    rules = [rule for rule in generated() if _of_delivery(rule)]
    path.write_text(yaml.safe_dump({"groups": [{"name": "delivery", "rules": rules}]}))
    return path


def _of_delivery(rule: dict[str, Any]) -> bool:
    general = "ratio" in rule.get("record", "")
    return general or rule.get("labels", {}).get("slo") == "delivery"


def generated() -> list[dict[str, Any]]:
    """All rules, those that record first."""
    groups = [
        group
        for name in ("recording", "alerts")
        for group in yaml.safe_load((DEPLOY / f"prometheus/{name}.rules.yml").read_text())["groups"]
    ]
    return [rule for group in groups for rule in group["rules"]]


@pytest.mark.parametrize(("burn", "seconds", "after", "windows"), BURNS.values(), ids=BURNS)
def test_each_window(tmp_path, of_delivery, burn, seconds, after, windows):
    bad = RATE * burn * (1 - DECLARED.service_levels.delivery.target)
    phases = [(0.0, 3 * DAY), (bad, seconds), *([(0.0, after)] if after else [])]
    series = {
        letters(TOPIC): counter(*phases),
        events(TOPIC): counter(*((RATE - rate, length) for rate, length in phases)),
    }
    expected = [(DELIVERY, severity, window, 1) for severity, window in windows]
    end = 3 * DAY + seconds + after - 5 * MINUTE
    judge(tmp_path, series, end, expected, 10 * MINUTE, of_delivery)


@pytest.mark.parametrize("bad", [9, 12])
def test_few_bad_records_of_a_quiet_topic_tell_nobody(tmp_path, of_delivery, bad):
    """A quarter is bad: a share to page for, were it not for so few."""
    series = {
        letters(TOPIC): counter((bad / HOUR, HOUR)),
        events(TOPIC): counter((3 * bad / HOUR, HOUR)),
    }
    expected = every_window(DELIVERY) if bad >= 10 else []
    judge(tmp_path, series, HOUR - 1, expected, STEP_S, of_delivery)


def every_window(name: str, count: int = 1) -> list[tuple[str, str, str, int]]:
    windows = (("page", "1h"), ("page", "6h"), ("ticket", "1d"), ("ticket", "3d"))
    return [(name, severity, window, count) for severity, window in windows]


SINCE, FOR = 30 * MINUTE, 45 * MINUTE
WHOLE = SINCE + FOR


def switched(before: float, after: float | None) -> str:
    return gauge((before, SINCE), (after, FOR))


def slowed(before: float, after: float) -> str:
    return counter((before, SINCE), (after, FOR))


SITUATIONS = {
    "half of the records late in Redis": (
        {fresh("redis", bound): slowed(599, 300) for bound in ("10.0", "30.0")},
        every_window("HeadraceFreshnessBudgetBurn"),
    ),
    "half of the records late in ClickHouse": (
        {fresh("clickhouse", bound): slowed(599, 300) for bound in ("10.0", "30.0")},
        [
            *every_window("HeadraceFreshnessBudgetBurn"),
            *every_window("HeadraceMetricFreshnessBudgetBurn", PROMISES),
        ],
    ),
    "a backlog of two minutes": (
        {lag(TOPIC, 0): switched(20, 12_000)},
        every_window("HeadraceLagBudgetBurn"),
    ),
    "the read API fails one in ten": (
        {requests("500"): slowed(0, 5)},
        every_window("HeadraceApiAvailabilityBudgetBurn"),
    ),
    "the read API is slow every other time": (
        {answered("bucket", "0.1"): slowed(54.9, 28)},
        every_window("HeadraceApiLatencyBudgetBurn"),
    ),
    "a worker is gone": (
        {'up{job="headrace-workers",instance="b:9101"}': switched(1, 0)},
        [("HeadraceWorkerGone", "ticket", "", 1)],
    ),
    "all workers are gone": (
        {f'up{{job="headrace-workers",instance="{at}:9101"}}': switched(1, 0) for at in "ab"},
        [("HeadraceWorkerGone", "ticket", "", 2), ("HeadraceNoWorkers", "page", "", 1)],
    ),
    "Prometheus is told of no worker": (
        {f'up{{job="headrace-workers",instance="{at}:9101"}}': switched(1, None) for at in "ab"},
        [("HeadraceNoWorkers", "page", "", 1)],
    ),
    "the read API is gone": (
        {'up{job="headrace-serve",instance="c:8081"}': switched(1, 0)},
        [("HeadraceServeGone", "page", "", 1)],
    ),
    "ClickHouse is down": (
        {service_up("clickhouse"): switched(1, 0)},
        [("HeadraceServiceDown", "page", "", 1)],
    ),
    "a worker delivers fewer partitions": (
        {'headrace_assigned_partitions{job="headrace-workers",instance="b:9101"}':
            switched(OWNED, OWNED - 1)},
        [("HeadracePartitionsUnowned", "page", "", 1)],
    ),
    "a partition does not move": (
        {committed(TOPIC, 3): slowed(25, 0)},
        [("HeadracePartitionStalled", "page", "", 1)],
    ),
    "an idle partition does not move either": (
        {committed(TOPIC, 3): slowed(25, 0), lag(TOPIC, 3): switched(20, 0)},
        [],
    ),
    "workers come and go": (
        {'headrace_rebalances_total{job="headrace-workers",instance="a:9101"}':
            slowed(0, 1 / MINUTE)},
        [("HeadraceRebalancing", "ticket", "", 1)],
    ),
    "blocks are repeated over and over": (
        {'headrace_indoubt_replays_total{job="headrace-workers",instance="a:9101",topic="t"}':
            slowed(0, 0.2)},
        [("HeadraceInDoubtReplays", "ticket", "", 1)],
    ),
    "Redis refuses writes for now": (
        {'headrace_sink_retries_total{sink="redis"}': slowed(0.001, 0.2)},
        [("HeadraceSinkRetries", "ticket", "", 1)],
    ),
    "a worker nears the ceiling": (
        {'headrace_dead_letter_ratio{job="headrace-workers",instance="a:9101"}':
            switched(0.0001, 0.03)},
        [("HeadraceDeadLettersNearCeiling", "page", "", 1)],
    ),
    "a worker grows": (
        {'headrace_resident_memory_bytes{job="headrace-workers",instance="a:9101"}':
            switched(3e8, 1.2e9)},
        [("HeadraceMemoryHigh", "ticket", "", 1)],
    ),
    "a disk fills": (
        {'node_filesystem_avail_bytes{job="node",mountpoint="/"}':
            f"2.4e10-1e8x{WHOLE // MINUTE}"},
        [("HeadraceDiskFilling", "ticket", "", 1)],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changed", "firing"), SITUATIONS.values(), ids=SITUATIONS)
def test_each_situation(tmp_path, changed, firing):
    judge(tmp_path, {**ordinary(WHOLE), **changed}, WHOLE - MINUTE, firing, 5 * MINUTE)


def test_every_alert_has_a_situation_in_which_it_fires():
    names = {rule["alert"] for rule in generated() if "alert" in rule}
    fired = {name for _, firing in SITUATIONS.values() for name, *_ in firing}
    assert names == fired | {DELIVERY}
