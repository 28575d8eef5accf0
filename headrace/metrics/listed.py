"""The one list of metrics: what can be scraped, what each means and how it is labelled.

Names follow Prometheus' practice: ``headrace_``, base units (seconds, bytes), ``_total`` for what
only grows. ``field`` is the member of ``Metrics`` that holds a worker's value: a number, a
``Histogram``, or one of them by key, where a key is the labels' values with a space between (only
the last one may hold spaces). Everything else derives from here: the exposition of workers
(``collector``), of the serving process (``headrace.serve.exposition``), and docs/metrics.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]


@dataclass(frozen=True, slots=True)
class Metric:
    """One family of time series. ``unit`` is told where the name does not end in it."""

    name: str
    kind: Kind
    unit: str
    labels: tuple[str, ...]
    meaning: str
    field: str = ""


def _counter(field: str, name: str, unit: str, labels: str, meaning: str) -> Metric:
    return Metric(f"headrace_{name}_total", "counter", unit, tuple(labels.split()), meaning, field)


def _gauge(field: str, name: str, unit: str, labels: str, meaning: str) -> Metric:
    return Metric(f"headrace_{name}", "gauge", unit, tuple(labels.split()), meaning, field)


#: A worker's, at its ``--metrics-port``. Counters begin at 0 with the process.
WORKER: tuple[Metric, ...] = (
    # Throughput
    _counter("events", "events", "events", "topic", "Events decoded and delivered to every sink."),
    _counter("blocks", "blocks", "blocks", "topic",
             "Blocks delivered to every sink. Events by block is the size of blocks."),
    _counter("block_bytes", "block_bytes", "bytes", "topic",
             "Bytes of the record values in delivered blocks."),
    _counter("rows", "rows", "rows", "table", "Rows written to ClickHouse."),
    _counter("emitted", "emitted_events", "events", "topic",
             "Events that agents emitted, sent to Kafka; what a crash sends again counts again."),
    _counter("timers", "timer_events", "events", "agent",
             "Events sent for keys whose timer was due."),
    # What is not an event like others
    _counter("dead_letters", "dead_letters", "records", "topic step reason",
             "Records set aside in the dead-letter topic. The reason is its class: values are "
             "taken out; past 100 classes it is 'other'."),
    _counter("duplicates", "duplicates", "records", "topic",
             "Records dropped as repeats of an earlier one (dedupe)."),
    _counter("rules", "rule_violations", "records", "topic rule",
             "Records that fail a rule, whatever its policy."),
    _gauge("dead_letter_ratio", "dead_letter_ratio", "ratio", "",
           "Share of dead letters in the sliding window of which dead_letters.max_ratio is the "
           "ceiling; 0 until the window holds dead_letters.min_records."),
    # Sinks
    Metric("headrace_freshness_seconds", "histogram", "seconds", ("sink",),
           "From an event's timestamp in Kafka to visible in the sink, by event.", "freshness"),
    Metric("headrace_sink_apply_seconds", "histogram", "seconds", ("sink",),
           "Time that a sink took to apply a block, retries included.", "sink_apply"),
    _counter("sink_retries", "sink_retries", "attempts", "sink",
             "Attempts to write a block that failed for now and were repeated."),
    # Positions and the group
    _gauge("lag", "worker_lag", "offsets", "topic partition",
           "Offsets of an assigned partition that are in the log and not delivered, as of the "
           "last block cut. The serving process has the broker's own word."),
    _counter("commit_retries", "commit_retries", "attempts", "",
             "Offset commits (intents, too) that failed for now and were repeated."),
    _counter("replays", "indoubt_replays", "blocks", "topic",
             "Blocks found in doubt on assignment, and applied again exactly as they were."),
    _counter("rebalances", "rebalances", "assignments", "",
             "Assignments of partitions received from the group."),
    _gauge("assigned", "assigned_partitions", "partitions", "",
           "Partitions that this worker delivers."),
    _gauge("paused", "paused_partitions", "partitions", "",
           "Assigned partitions that are not fetched now: a sink is slower than the log, or "
           "delivery.memory_bytes is used up."),
    # The process
    _gauge("held_bytes", "buffered_bytes", "bytes", "",
           "Record values held in memory, of which delivery.memory_bytes is the bound."),
    _gauge("rss_bytes", "resident_memory_bytes", "bytes", "", "Resident memory of the process."),
    _counter("cpu_seconds", "cpu_seconds", "seconds", "",
             "CPU time of the process, user and system."),
    _gauge("uptime_s", "uptime_seconds", "seconds", "", "Since the process started."),
)  # fmt: skip

#: The serving process's, at ``/metrics``.
SERVING: tuple[Metric, ...] = (
    # The pipeline, as the broker and the workers tell it
    _gauge("", "lag", "offsets", "topic partition",
           "Offsets that are in the log and not committed as applied, as the broker tells it."),
    _gauge("", "log_end_offset", "offset", "topic partition", "The log's next offset."),
    _gauge("", "committed_offset", "offset", "topic partition",
           "The group's committed offset: everything below is applied to every sink."),
    _gauge("", "workers", "workers", "", "Workers that told their state in the last 10 s."),
    _gauge("", "service_up", "boolean", "service",
           "1 when kafka, clickhouse or redis answered last time it was asked (each second)."),
    _gauge("", "pipeline_ok", "boolean", "", "1 when /v1/pipeline's health has no problem."),
    Metric("headrace_metric_<name>", "gauge", "", ("<dimensions>",),
           "A metric of topology.yaml in its newest complete step (minute, mostly), in its own "
           "unit, by its dimensions of few values; a quantile has the label 'quantile'."),
    # Requests
    _counter("", "http_requests", "requests", "method route status",
             "Requests answered. The route is its template; what no route takes is 'other'."),
    Metric("headrace_http_request_seconds", "histogram", "seconds", ("route",),
           "Until a request was answered; of a stream (…/stream) until it began."),
    _counter("", "cache_hits", "answers", "", "Answers of the read API that came from its cache."),
    _counter("", "cache_misses", "answers", "", "Answers that had to be asked of a store."),
    _gauge("", "sse_clients", "clients", "", "Listeners to server-sent events now."),
)  # fmt: skip


def by_name() -> dict[str, Metric]:
    """All metrics; names are unique."""
    return {metric.name: metric for metric in (*WORKER, *SERVING)}
