"""Each service level as two rates: of events, and of those that are not as promised."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from headrace.topology import metrics as promises
from headrace.topology.levels import Level, ServiceLevels, Within
from headrace.topology.model import Topology


class Rates(NamedTuple):
    """Expressions of the rates over 5 minutes of all events, and of the wrong ones."""

    events: str
    errors: str


@dataclass(frozen=True, slots=True)
class Objective:
    """A service level, and the rates that it is judged by.

    ``slo`` and ``labels`` tell its series from other objectives'. With ``by`` the expressions give
    a series for each value of that label, and the level holds for each alone.
    """

    slo: str
    alert: str
    level: Level
    owner: str
    rates: Rates
    #: What is wrong with them, for people: goes on from "5% of …".
    wrong: str
    labels: Mapping[str, str] = field(default_factory=dict)
    by: str = ""

    @property
    def budget(self) -> float:
        """The share of events that may be wrong."""
        return round(1 - self.level.target, 9)

    @property
    def selector(self) -> str:
        """The matchers of its recorded series."""
        pairs = {"slo": self.slo, **self.labels}
        return "{" + ", ".join(f'{name}="{value}"' for name, value in pairs.items()) + "}"


def objectives(topology: Topology, levels: ServiceLevels) -> Iterator[Objective]:
    """Those of ``service_levels``, in its model's order, then those of ``metrics``."""
    yield from _declared(levels)
    yield from _of_metrics(topology, levels)


def _declared(levels: ServiceLevels) -> Iterator[Objective]:
    for sink, within in levels.freshness.items():
        yield Objective(
            slo="freshness",
            alert="HeadraceFreshnessBudgetBurn",
            level=within,
            owner=within.owner or levels.owner,
            labels={"sink": sink},
            wrong=(
                f"the records became visible in {sink} later than {within.seconds:g} s after they"
                " were produced"
            ),
            rates=_late("headrace_freshness_seconds", f'sink="{sink}"', within),
        )
    if levels.delivery is not None:
        yield _delivery(levels, levels.delivery)
    if levels.lag is not None:
        yield _lag(levels, levels.lag)
    if levels.api_availability is not None:
        level = levels.api_availability
        yield Objective(
            slo="api_availability",
            alert="HeadraceApiAvailabilityBudgetBurn",
            level=level,
            owner=level.owner or levels.owner,
            rates=Rates(
                events="sum(rate(headrace_http_requests_total[5m]))",
                errors='sum(rate(headrace_http_requests_total{status=~"5.."}[5m]))'
                " or 0 * sum(rate(headrace_http_requests_total[5m]))",
            ),
            wrong="the requests to the read API failed (status 500 and above)",
        )
    if levels.api_latency is not None:
        within = levels.api_latency
        yield Objective(
            slo="api_latency",
            alert="HeadraceApiLatencyBudgetBurn",
            level=within,
            owner=within.owner or levels.owner,
            wrong=f"the requests to the read API took longer than {within.seconds:g} s",
            rates=_late("headrace_http_request_seconds", "", within),
        )


def _of_metrics(topology: Topology, levels: ServiceLevels) -> Iterator[Objective]:
    """Those of ``metrics``: one for all metrics of an owner that are promised the same.

    A metric is as fresh as ClickHouse, which its view is in.
    """
    alike: dict[tuple[str, promises.Objective], list[str]] = {}
    for name, metric in topology.metrics.items():
        if metric.objective is not None:
            key = (metric.owner or levels.owner, metric.objective)
            alike.setdefault(key, []).append(name)
    for (owner, promised), names in alike.items():
        within = Within(target=promised.target, seconds=promised.freshness_s)
        yield Objective(
            slo="metric_freshness",
            alert="HeadraceMetricFreshnessBudgetBurn",
            level=within,
            owner=owner,
            labels={"metrics": ", ".join(names)},
            wrong=f"the events showed later than {within.seconds:g} s in {', '.join(names)}",
            rates=_late("headrace_freshness_seconds", 'sink="clickhouse"', within),
        )


def bound(seconds: float) -> str:
    """A matcher of the histogram bucket up to ``seconds``; clients write 10 as 10 or as 10.0."""
    text = f"{seconds:g}"
    return f'le="{text}"' if "." in text else f'le=~"{text}([.]0)?"'


def _late(histogram: str, matcher: str, within: Within) -> Rates:
    """The rates of all observations, and of those past the bound."""
    bucket = ", ".join(filter(None, (matcher, bound(within.seconds))))
    every = f"sum(rate({histogram}_count{{{matcher}}}[5m]))"
    good = f"sum(rate({histogram}_bucket{{{bucket}}}[5m]))"
    return Rates(events=every, errors=f"{every} - {good}")


def _delivery(levels: ServiceLevels, level: Level) -> Objective:
    delivered = "sum by (topic) (rate(headrace_events_total[5m]))"
    refused = "sum by (topic) (rate(headrace_dead_letters_total[5m]))"
    # ``or`` is a union here: dead letters have a label more.
    both = (
        "sum by (topic) (rate(headrace_events_total[5m]) or rate(headrace_dead_letters_total[5m]))"
    )
    return Objective(
        slo="delivery",
        alert="HeadraceDeliveryBudgetBurn",
        level=level,
        owner=level.owner or levels.owner,
        rates=Rates(events=both, errors=f"{refused} or 0 * {delivered}"),
        wrong="the records of {{ $labels.topic }} went to its dead letters",
        by="topic",
    )


#: Seconds that a topic's backlog takes at the pace of the last 5 minutes; +Inf when nothing moves.
#: The least backlog of a minute, or every record of a quiet topic would look like one.
LAG_SECONDS = "headrace:lag_seconds"
BACKLOG = "sum by (topic) (max by (topic, partition) (min_over_time(headrace_lag[1m])))"
PACE = "sum by (topic) (max by (topic, partition) (rate(headrace_committed_offset[5m])))"
LAG_EXPR = f"{BACKLOG} / {PACE}"


def _lag(levels: ServiceLevels, within: Within) -> Objective:
    return Objective(
        slo="lag",
        alert="HeadraceLagBudgetBurn",
        level=within,
        owner=within.owner or levels.owner,
        # Not of records but of time: 1 a second.
        rates=Rates(events=f"0 * {BACKLOG} + 1", errors=f"{LAG_SECONDS} > bool {within.seconds:g}"),
        wrong=(f"the time {{{{ $labels.topic }}}} had a backlog of more than {within.seconds:g} s"),
        by="topic",
    )
