"""Rows of queries as the documents of the API."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from headrace.serve.analytics.ranges import Range
from headrace.serve.problems import Problem
from headrace.serve.queries.measures import of_nothing
from headrace.serve.queries.query import MAX_ROWS
from headrace.topology.metrics import Cohorts, Funnel, Metric

#: The label that tells the levels of a metric of quantiles apart.
QUANTILE = "quantile"
Row = list[Any]


def refuse_more(rows: Sequence[Row]) -> None:
    """Raise Problem when an answer would have more rows than one may have."""
    if len(rows) > MAX_ROWS:
        detail = f"more than {MAX_ROWS} points; use a longer step, a shorter range, or a filter"
        raise Problem(422, "too-many-points", detail, limit=MAX_ROWS)


def series(metric: Metric, rows: Sequence[Row], by: Sequence[str], span: Range) -> list[Any]:
    """A series each for the dimensions' values and levels; every step has a point.

    Where nothing happened sums and counts are 0; shares and quantiles are null, as there is nothing
    that they are of. Without dimensions there is a series even if nothing happened at all.
    """
    groups: dict[tuple[str, ...], dict[int, Any]] = {} if by else {(): {}}
    for row in rows:
        groups.setdefault(tuple(row[1:-1]), {})[row[0]] = row[-1]
    found: list[Any] = []
    for key, values in sorted(groups.items()):
        labels = dict(zip(by, key, strict=True))
        if metric.measure.kind == "quantile":
            for i, level in enumerate(metric.measure.levels):
                points = [
                    [start * 1000, held[i] if (held := values.get(start)) is not None else None]
                    for start in span.buckets
                ]
                found.append({"labels": labels | {QUANTILE: str(level)}, "points": points})
        else:
            nothing = of_nothing(metric.measure)
            points = [[start * 1000, values.get(start, nothing)] for start in span.buckets]
            found.append({"labels": labels, "points": points})
    return found


def ranked(metric: Metric, rows: Sequence[Row], by: Sequence[str]) -> list[Any]:
    """The rows of a ranking."""
    level = {QUANTILE: str(metric.measure.levels[-1])} if metric.measure.levels else {}
    return [
        {"labels": dict(zip(by, row[:-1], strict=True)) | level, "value": row[-1]} for row in rows
    ]


def steps(funnel: Funnel, values: dict[str, float]) -> list[Any]:
    """All steps in order, with their share of the first and of the one before.

    A share of nothing is null.
    """
    found, first, previous = [], None, None
    for step in funnel.steps:
        value = values.get(step, 0.0)
        found.append(
            {
                "step": step,
                "value": value,
                "of_first": _share(value, value if first is None else first),
                "of_previous": _share(value, value if previous is None else previous),
            }
        )
        first, previous = (value if first is None else first), value
    return found


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


def cohorts(declared: Cohorts, rows: Sequence[Row], grain_s: int, now_s: int) -> list[Any]:
    """Each cohort with all periods that have begun; where nobody came back there are 0."""
    groups: dict[int, dict[int, int]] = {}
    for start, period, people in rows:
        groups.setdefault(int(start), {})[int(period)] = int(people)
    found = []
    for start, people in groups.items():
        begun = min(declared.periods, (now_s - start) // grain_s + 1)
        size = people[0]
        periods = [
            {"period": i, "users": people.get(i, 0), "share": people.get(i, 0) / size}
            for i in range(max(begun, max(people) + 1))
        ]
        found.append({"cohort": _day(start, grain_s), "size": size, "periods": periods})
    return found


def _day(start_s: int, grain_s: int) -> str:
    """A date for whole days, else a time."""
    moment = datetime.fromtimestamp(start_s, UTC)
    if grain_s % 86_400 == 0:
        return moment.date().isoformat()
    return moment.isoformat().replace("+00:00", "Z")
