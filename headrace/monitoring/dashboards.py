"""Grafana's dashboards: the pipeline, the read API, and the business's metrics."""

from __future__ import annotations

from collections.abc import Iterator

from headrace.monitoring.objectives import LAG_SECONDS, Objective, objectives
from headrace.monitoring.panels import Panel, Query, dashboard, grafana_unit
from headrace.monitoring.recording import BUDGET, LEFT, RATIO
from headrace.topology.levels import ServiceLevels
from headrace.topology.model import Topology

API = ("api_availability", "api_latency")
#: The labels that tell objectives apart, for legends.
WHICH = "{{slo}} {{sink}}{{topic}}{{metrics}}"


def dashboards(topology: Topology, levels: ServiceLevels) -> dict[str, str]:
    """Each dashboard's text by its file's name."""
    name = topology.name
    declared = list(objectives(topology, levels))
    api = [objective for objective in declared if objective.slo in API]
    business = [objective for objective in declared if objective.slo == "metric_freshness"]
    rest = [objective for objective in declared if objective not in (*api, *business)]
    return {
        "pipeline": dashboard(
            f"{name}-pipeline", f"{name}: pipeline",
            [*_levels(rest), *_pipeline(topology, levels)], (name,),
        ),
        "serving": dashboard(
            f"{name}-serving", f"{name}: read API", [*_levels(api), *_serving(levels)], (name,)
        ),
        "business": dashboard(
            f"{name}-business", f"{name}: business metrics",
            [*_levels(business), *_business(topology)], (name,),
        ),
    }  # fmt: skip


def _levels(declared: list[Objective]) -> Iterator[Panel]:
    """How the objectives are doing: what is left, and how fast it goes."""
    if not declared:
        return
    slos = "|".join(dict.fromkeys(objective.slo for objective in declared))
    matcher = f'{{slo=~"{slos}"}}'
    yield Panel(
        "Error budget left",
        "Of each service level, over its own window. 0: spent; it needs as much retention.",
        "percentunit",
        [Query(f"{LEFT}{matcher}", WHICH)],
        kind="stat",
    )
    for length, limit in (("1h", 14.4), ("6h", 6.0)):
        yield Panel(
            f"Burn rate, {length}",
            f"How many times too fast the budget is spent, over {length}. Over 30 days 1 lasts"
            f" exactly; {limit:g} alerts.",
            "none",
            [Query(f"{RATIO}:{length}{matcher} / on (slo, sink, metrics) group_left ()"
                   f" {BUDGET}{matcher}", WHICH)],
            limit=limit,
        )  # fmt: skip


def _pipeline(topology: Topology, levels: ServiceLevels) -> Iterator[Panel]:
    yield Panel("Events", "Delivered to every sink, by topic.", "reqps",
                [_rate("headrace_events_total", "topic")])  # fmt: skip
    yield Panel("Lag", "Records in the log and not committed as applied.", "short",
                [Query("sum by (topic) (max by (topic, partition) (headrace_lag))",
                       "{{topic}}")])  # fmt: skip
    yield Panel("Lag in time", "How long the backlog takes at the pace of the last 5 minutes.",
                "s", [Query(LAG_SECONDS, "{{topic}}")],
                limit=levels.lag.seconds if levels.lag else None)  # fmt: skip
    for sink in ("clickhouse", "redis"):
        within = levels.freshness.get(sink)
        matcher = f'{{sink="{sink}"}}'
        yield Panel(
            f"Freshness, {sink}", "From produced to visible.", "s",
            [_quantile(q, f"headrace_freshness_seconds_bucket{matcher}") for q in (0.5, 0.99)],
            limit=within.seconds if within else None,
        )  # fmt: skip
    yield Panel("Time in sinks", "Seconds spent writing, by second: at 2 two blocks are written at"
                " any time.", "none",
                [_rate("headrace_sink_apply_seconds_sum", "sink")])  # fmt: skip
    yield Panel("Retries", "Writes that failed for now.", "cps",
                [_rate("headrace_sink_retries_total", "sink"),
                 Query("sum(rate(headrace_commit_retries_total[5m]))", "commits")])  # fmt: skip
    yield Panel("Rows", "Written to ClickHouse, by table.", "wps",
                [_rate("headrace_rows_total", "table")])  # fmt: skip
    yield Panel("Dead letters", "By topic and step.", "cps",
                [_rate("headrace_dead_letters_total", "topic", "step")])  # fmt: skip
    yield Panel("Dead-letter ratio", "By worker; past the line it stops.", "percentunit",
                [Query("headrace_dead_letter_ratio", "{{instance}}")],
                limit=topology.dead_letters.max_ratio)  # fmt: skip
    yield Panel("Rule violations", "Records that fail a rule, whatever becomes of them.", "cps",
                [_rate("headrace_rule_violations_total", "topic", "rule")])  # fmt: skip
    yield Panel("Repeats dropped", "Records that a producer sent twice.", "cps",
                [_rate("headrace_duplicates_total", "topic")])  # fmt: skip
    yield Panel("Assignments and replays", "In 15 minutes: assignments of partitions, and blocks in"
                " doubt that were repeated.", "short",
                [Query("sum(increase(headrace_rebalances_total[15m]))", "assignments"),
                 Query("sum(increase(headrace_indoubt_replays_total[15m]))",
                       "replays")])  # fmt: skip
    yield Panel("Partitions", "That workers deliver, and those that wait for a sink.", "short",
                [Query("sum(headrace_assigned_partitions)", "assigned"),
                 Query("sum(headrace_paused_partitions)", "paused")])  # fmt: skip
    yield Panel("Memory", "Resident, by worker.", "bytes",
                [Query("headrace_resident_memory_bytes", "{{instance}}")],
                limit=levels.worker_memory_bytes)  # fmt: skip
    yield Panel("CPU", "Cores used, by worker.", "none",
                [Query("rate(headrace_cpu_seconds_total[5m])", "{{instance}}")])  # fmt: skip
    yield Panel("Services", "1 when it answers.", "none",
                [Query("min by (service) (headrace_service_up)", "{{service}}")])  # fmt: skip


def _serving(levels: ServiceLevels) -> Iterator[Panel]:
    requests, seconds = "headrace_http_requests_total", "headrace_http_request_seconds_bucket"
    within = levels.api_latency
    yield Panel("Requests", "By route.", "reqps", [_rate(requests, "route")])
    yield Panel("Answers", "By status.", "reqps", [_rate(requests, "status")])
    yield Panel("Failures", "Share of requests with status 500 and above, by route.",
                "percentunit",
                [Query(f'sum by (route) (rate({requests}{{status=~"5.."}}[5m]))'
                       f" / sum by (route) (rate({requests}[5m]))", "{{route}}")])  # fmt: skip
    yield Panel("Latency", "Of all requests.", "s",
                [_quantile(q, seconds) for q in (0.5, 0.95, 0.99)],
                limit=within.seconds if within else None)  # fmt: skip
    yield Panel("Latency by route", "What 95 % of the requests do not exceed.", "s",
                [Query("histogram_quantile(0.95, sum by (le, route)"
                       f" (rate({seconds}[5m])))", "{{route}}")])  # fmt: skip


def _business(topology: Topology) -> Iterator[Panel]:
    for name, metric in topology.metrics.items():
        yield Panel(
            name,
            metric.doc,
            grafana_unit(metric.unit),
            [Query(f"headrace_metric_{name}", "__auto")],
        )


def _rate(counter: str, *by: str) -> Query:
    legend = " ".join(f"{{{{{label}}}}}" for label in by)
    return Query(f"sum by ({', '.join(by)}) (rate({counter}[5m]))", legend)


def _quantile(q: float, bucket: str) -> Query:
    return Query(f"histogram_quantile({q}, sum by (le) (rate({bucket}[5m])))", f"p{q * 100:g}")
