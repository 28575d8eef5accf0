"""Synthetic series in promtool's notation: the pipeline on an ordinary day, and parts of it."""

from __future__ import annotations

from collections.abc import Iterator

from headrace import topology
from tests.monitoring import ROOT

DECLARED = topology.load(ROOT)
READ = [topic for topic in DECLARED.topics if DECLARED.agents_of(topic)]
#: Partitions that each of the two workers has.
OWNED = sum(DECLARED.partitions(topic) for topic in READ) / 2
#: Seconds between samples.
INTERVAL = 60
MINUTE, HOUR, DAY = 60, 3_600, 86_400

#: What a series does: a rate (counter) or a value (gauge) for so many seconds; None: no samples.
Phases = tuple[tuple[float | None, float], ...]


def counter(*phases: tuple[float, float]) -> str:
    """Grows by a rate a second, for seconds; then by the next."""
    parts, value = [], 0.0
    for rate, seconds in phases:
        step, samples = rate * INTERVAL, round(seconds / INTERVAL)
        parts.append(f"{value:.6f}+{step:.6f}x{samples - 1}")
        value += step * samples
    return " ".join(parts)


def gauge(*phases: tuple[float | None, float]) -> str:
    """Has a value for seconds, then the next; None: is not there."""
    parts = []
    for value, seconds in phases:
        samples = round(seconds / INTERVAL)
        parts.append(f"_x{samples}" if value is None else f"{value}+0x{samples - 1}")
    return " ".join(parts)


def ordinary(seconds: float) -> dict[str, str]:
    """Two workers that keep up, with a few late and a few bad records: nothing to tell anybody."""
    return {
        **dict(_workers(seconds)),
        **dict(_topics(seconds)),
        **dict(_sinks(seconds)),
        **dict(_serving(seconds)),
        'node_filesystem_avail_bytes{job="node",mountpoint="/"}': gauge((6e10, seconds)),
        'node_filesystem_size_bytes{job="node",mountpoint="/"}': gauge((1e11, seconds)),
    }


def _workers(seconds: float) -> Iterator[tuple[str, str]]:
    for instance in ("a:9101", "b:9101"):
        at = f'{{job="headrace-workers",instance="{instance}"}}'
        yield f"up{at}", gauge((1, seconds))
        yield f"headrace_resident_memory_bytes{at}", gauge((3e8, seconds))
        yield f"headrace_assigned_partitions{at}", gauge((OWNED, seconds))
        yield f"headrace_dead_letter_ratio{at}", gauge((0.0001, seconds))
        # A deployment once a day: two assignments each, and blocks that were cut short.
        yield f"headrace_rebalances_total{at}", _daily(2, seconds)
        yield f'headrace_indoubt_replays_total{at[:-1]},topic="t"}}', _daily(12, seconds)


def _daily(step: int, seconds: float) -> str:
    samples, day = round(seconds / INTERVAL), DAY // INTERVAL
    return " ".join(
        f"{step * i}+0x{min(day, samples - start) - 1}"
        for i, start in enumerate(range(0, samples, day))
    )


def _topics(seconds: float) -> Iterator[tuple[str, str]]:
    for topic in READ:
        yield events(topic), counter((100, seconds))
        yield letters(topic), counter((0.01, seconds))
        for partition in range(DECLARED.partitions(topic)):
            yield lag(topic, partition), gauge((20, seconds))
            yield committed(topic, partition), counter((25, seconds))


def _sinks(seconds: float) -> Iterator[tuple[str, str]]:
    for sink in ("clickhouse", "redis"):
        yield f'headrace_freshness_seconds_count{{sink="{sink}"}}', counter((600, seconds))
        for bound in ("10.0", "30.0"):
            yield fresh(sink, bound), counter((599, seconds))
        yield f'headrace_sink_retries_total{{sink="{sink}"}}', counter((0.001, seconds))


def _serving(seconds: float) -> Iterator[tuple[str, str]]:
    yield 'up{job="headrace-serve",instance="c:8081"}', gauge((1, seconds))
    for service in ("kafka", "clickhouse", "redis"):
        yield service_up(service), gauge((1, seconds))
    yield requests("200"), counter((50, seconds))
    yield requests("404"), counter((5, seconds))
    yield answered("count"), counter((55, seconds))
    yield answered("bucket", "0.1"), counter((54.9, seconds))


def events(topic: str) -> str:
    return f'headrace_events_total{{topic="{topic}"}}'


def letters(topic: str) -> str:
    labels = f'topic="{topic}",step="rule",reason="r"'
    return f"headrace_dead_letters_total{{{labels}}}"


def lag(topic: str, partition: int) -> str:
    return f'headrace_lag{{topic="{topic}",partition="{partition}"}}'


def committed(topic: str, partition: int) -> str:
    return f'headrace_committed_offset{{topic="{topic}",partition="{partition}"}}'


def fresh(sink: str, bound: str) -> str:
    return f'headrace_freshness_seconds_bucket{{sink="{sink}",le="{bound}"}}'


def service_up(service: str) -> str:
    return f'headrace_service_up{{service="{service}"}}'


def requests(status: str) -> str:
    return f'headrace_http_requests_total{{route="/v1/metrics",status="{status}"}}'


def answered(part: str, bound: str = "") -> str:
    le = f',le="{bound}"' if bound else ""
    return f'headrace_http_request_seconds_{part}{{route="/v1/metrics"{le}}}'
