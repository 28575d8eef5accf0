"""The alerts on objectives whose error budget is spent too fast."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.monitoring.alert import Alert
from headrace.monitoring.objectives import Objective
from headrace.monitoring.recording import ERRORS, RATIO, STEP_S
from headrace.topology.burn import WINDOWS, Window


def burning(objective: Objective) -> Iterator[Alert]:
    """An alert of one name for each pair of windows, the fastest first."""
    return (_alert(objective, window) for window in WINDOWS)


def _alert(objective: Objective, window: Window) -> Alert:
    level, selector = objective.level, objective.selector
    rate = window.threshold(level.window_days)
    limit = f"{rate:g} * {objective.budget:g}"
    of = (
        f"{{{{ $labels.{objective.by} }}}}" if objective.by else " ".join(objective.labels.values())
    )
    subject = f"{objective.slo} of {of}" if of else objective.slo
    return Alert(
        name=objective.alert,
        expr=(
            f"{RATIO}:{window.long}{selector} > {limit}\n"
            f"and {RATIO}:{window.short}{selector} > {limit}\n"
            f"and sum_over_time({ERRORS}{selector}[{window.long}]) * {STEP_S} >= {level.min_errors}"
        ),
        severity="ticket" if level.severity == "ticket" else window.severity,
        owner=objective.owner,
        summary=f"{subject}: burn rate of the error budget above {rate:g}",
        description=(
            f"{{{{ $value | humanizePercentage }}}} of {objective.wrong}, in the last"
            f" {window.long}; {objective.budget * 100:g}% may. That is more than"
            f" {window.budget:.0%} of the budget of {level.window_days} days, and the last"
            f" {window.short} went on like it."
        ),
        labels={"slo": objective.slo, "window": window.long, **objective.labels},
    )
