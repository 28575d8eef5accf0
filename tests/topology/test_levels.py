"""Service levels in topology.yaml: each that could not be watched is told, with its place."""

from __future__ import annotations

import pytest

from headrace import topology
from headrace.topology.burn import WINDOWS, lowest_target
from tests.topology.test_load import TEXT, broken, root

__all__ = ["root"]

CLICKHOUSE = "clickhouse: {seconds: 10, target: 0.99}"
DELIVERY = "delivery: {target: 0.999}"


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong", "fix"),
    [
        (CLICKHOUSE, "clickhouse: {seconds: 9, target: 0.99}", "freshness.clickhouse.seconds",
         "not a bound", "5, 10, 15"),
        (CLICKHOUSE, "clickhouse: {seconds: 10, target: 0.9}", "freshness.clickhouse.target",
         "could not fire", "more than 0.931 over 30 days"),
        (CLICKHOUSE, "click: {seconds: 10, target: 0.99}", "freshness.click", "not valid",
         "'clickhouse' or 'redis'"),
        (DELIVERY, "delivery: {target: 0.95, window_days: 90}", "delivery.target",
         "could not fire", "more than 0.977 over 90 days"),
        (DELIVERY, "delivery: {target: 1}", "delivery.target", "not valid", "less than 1"),
        (DELIVERY, "delivery: {target: 0.999, severity: shout}", "delivery.severity", "not valid",
         "'page' or 'ticket'"),
        (DELIVERY, "delivery: {target: 0.999, ownr: me}", "delivery.ownr", "unknown key",
         "'owner'"),
        (DELIVERY, "delivery: {target: 0.999, owner: Who}", "delivery.owner", "not a legal name",
         "matches"),
        ("https://headrace.example/docs/runbooks", "docs/runbooks", "runbooks", "not a legal name",
         "https?"),
    ],
)  # fmt: skip
def test_each_fault(root, old, new, path, wrong, fix):
    (problem,) = broken(root, old, new)
    assert problem.path == f"service_levels.{path}"
    assert wrong in problem.wrong
    assert fix in problem.fix
    assert problem.line == TEXT[: TEXT.index(old)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong"),
    [
        ("freshness_s: 10, target: 0.99", "freshness_s: 9, target: 0.99",
         "objective.freshness_s", "not a bound"),
        ("freshness_s: 10, target: 0.99", "freshness_s: 10, target: 0.5",
         "objective.target", "could not fire"),
        ("owner: commerce\n    unit", "owner: The shop\n    unit", "owner", "can't be routed"),
    ],
)  # fmt: skip
def test_each_fault_of_a_metric_s_objective(root, old, new, path, wrong):
    (problem,) = broken(root, old, new)
    assert problem.path == f"metrics.revenue.{path}"
    assert wrong in problem.wrong


def test_burn_rates_are_the_workbook_s_for_30_days_and_scale_with_the_window():
    assert [window.threshold(30) for window in WINDOWS] == [14.4, 6, 3, 1]
    assert [window.threshold(7) for window in WINDOWS] == [3.36, 1.4, 0.7, 0.2333]
    assert lowest_target(30) == pytest.approx(1 - 1 / 14.4)


def test_a_topology_needs_no_service_levels(root):
    start = TEXT.index("# What users may count on")
    (root / "topology.yaml").write_text(TEXT[:start], encoding="utf-8")
    assert topology.load(root).service_levels is None
