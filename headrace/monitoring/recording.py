"""Recording rules of the objectives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from headrace.monitoring.objectives import LAG_EXPR, LAG_SECONDS, Objective
from headrace.topology.burn import LENGTHS

#: Seconds between two samples of what is recorded here.
STEP_S = 30
EVENTS, ERRORS = "headrace:slo_events:rate5m", "headrace:slo_errors:rate5m"
RATIO = "headrace:slo_error_ratio"
BUDGET = "headrace:slo_error_budget"
#: The share of the budget that is left; needs as much retention as the window is long.
LEFT = "headrace:slo_error_budget_left"


def rates(objectives: Iterable[Objective]) -> Iterator[dict[str, Any]]:
    """What the objectives are made of; the group's rules run in this order."""
    yield {"record": LAG_SECONDS, "expr": LAG_EXPR}
    for objective in objectives:
        labels = {"slo": objective.slo, **objective.labels}
        yield {"record": EVENTS, "expr": objective.rates.events, "labels": labels}
        yield {"record": ERRORS, "expr": objective.rates.errors, "labels": labels}
        budget = f"vector({objective.budget:g})"
        yield {"record": BUDGET, "expr": budget, "labels": labels}


def ratios() -> Iterator[dict[str, Any]]:
    """The share of wrong events by window, for all objectives at once.

    Sums of the recorded rates, not means of their ratios: each event counts once. It also costs
    less than rates of the histograms over days.
    """
    yield {"record": f"{RATIO}:{LENGTHS[0]}", "expr": f"{ERRORS} / {EVENTS}"}
    for length in LENGTHS[1:]:
        yield {"record": f"{RATIO}:{length}", "expr": _share(length)}


def budgets(objectives: Iterable[Objective]) -> Iterator[dict[str, Any]]:
    """What is left of each budget over its own window: 1 untouched, 0 spent, negative overdrawn."""
    for objective in objectives:
        share = _share(f"{objective.level.window_days}d", objective.selector)
        yield {
            "record": LEFT,
            "expr": f"1 - {share} / {objective.budget:g}",
            "labels": {"slo": objective.slo, **objective.labels},
        }


def _share(length: str, selector: str = "") -> str:
    errors, events = (f"sum_over_time({name}{selector}[{length}])" for name in (ERRORS, EVENTS))
    return f"{errors} / {events}"
