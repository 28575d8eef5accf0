"""The one list against what is exposed and what docs/metrics.md says."""

from pathlib import Path

import numpy as np
import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

from headrace.block import Block
from headrace.delivery.job import Outcome
from headrace.frame import Bad
from headrace.metrics import Metrics
from headrace.metrics.collector import WorkerCollector, exposition
from headrace.metrics.listed import SERVING, WORKER, by_name
from headrace.writes import NOTHING

PAGE = Path(__file__).resolve().parents[2] / "docs/metrics.md"


def block(first: int = 0, size: int = 3) -> Block:
    offsets = np.arange(first, first + size)
    return Block("t.a", 1, first, first + size - 1, [b"abcd"] * size, offsets,
                 np.full(size, 1_000), [None] * size)  # fmt: skip


@pytest.fixture
def metrics():
    made = Metrics()
    made.took(2)
    bad = Bad(1, "agent", "agent 'x' raised E: y", None, "E", "x y")
    made.block_done(block(), Outcome(NOTHING, (), 2, 0, {"low": 1}))
    made.dead_lettered(block(), [bad], 5)
    made.sink_applied("redis", block(), 1_700, 0.25)
    made.ends["t.a 1"] = 10
    return made


def families(metrics, accept):
    body, kind = exposition(WorkerCollector(metrics), accept)
    parse = openmetrics if kind.startswith("application/openmetrics-text") else plain
    return {family.name: family for family in parse(body.decode())}


@pytest.mark.parametrize(
    "accept", ["", "text/plain", "application/openmetrics-text; version=1.0.0"]
)
def test_everything_listed_is_exposed_as_it_is_listed(metrics, accept):
    found = families(metrics, accept)
    assert {m.name.removesuffix("_total"): m.kind for m in WORKER} == {
        name: family.type for name, family in found.items()
    }
    samples = {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in found.values()
        for s in family.samples
    }
    assert samples["headrace_events_total", (("topic", "t.a"),)] == 2
    assert samples["headrace_block_bytes_total", (("topic", "t.a"),)] == 12
    letter = (("reason", "agent 'x y' raised E"), ("step", "agent"), ("topic", "t.a"))
    assert samples["headrace_dead_letters_total", letter] == 1
    assert samples["headrace_rule_violations_total", (("rule", "low"), ("topic", "t.a"))] == 1
    assert samples["headrace_worker_lag", (("partition", "1"), ("topic", "t.a"))] == 7
    bucket = "headrace_freshness_seconds_bucket"
    assert samples[bucket, (("le", "0.5"), ("sink", "redis"))] == 0
    assert samples[bucket, (("le", "1.0"), ("sink", "redis"))] == 3
    assert samples["headrace_freshness_seconds_sum", (("sink", "redis"),)] == 2.1
    assert samples["headrace_sink_apply_seconds_sum", (("sink", "redis"),)] == 0.25
    for metric in WORKER:
        for sample in found[metric.name.removesuffix("_total")].samples:
            assert set(sample.labels) - {"le"} == set(metric.labels)


def test_names_follow_prometheus_practice():
    everything = [*WORKER, *SERVING]
    assert len(by_name()) == len(everything)
    for metric in everything:
        assert metric.name.startswith("headrace_")
        assert metric.name.endswith("_total") == (metric.kind == "counter")
        if metric.unit in ("seconds", "bytes"):
            assert metric.unit in metric.name
        assert metric.meaning.endswith(".")


def test_the_page_has_the_list():
    """To write it again: python -m tests.metrics.page"""
    from tests.metrics.page import table

    text = PAGE.read_text()
    for part in (WORKER, SERVING):
        assert table(part) in text


def test_freshness_of_the_last_minute_forgets_what_was_before():
    made = Metrics()
    made.snapshot(0.0)
    made.sink_applied("redis", block(), 6_000, 0.1)
    assert sum(made.snapshot(1.0)["recent"]["redis"]) == 3
    made.sink_applied("redis", block(), 1_010, 0.1)
    assert sum(made.snapshot(59.9)["recent"]["redis"]) == 6
    assert sum(made.snapshot(61.0)["recent"]["redis"]) == 3
    late = made.snapshot(120.0)
    assert sum(late["recent"]["redis"]) == 0
    assert sum(late["freshness"]["redis"]) == 6


def test_a_service_fails_since_its_first_failure_and_until_it_takes_something():
    made = Metrics()
    made.sink_retried("redis", 10)
    made.sink_retried("redis", 20)
    made.commit_retried(30)
    assert made.failing == {"redis": 10, "kafka": 30}
    made.sink_applied("redis", block(), 1_000, 0.1)
    made.committed()
    assert made.failing == {}
