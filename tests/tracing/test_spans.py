"""Spans as a collector receives them: of producers, blocks and steps, over a crash."""

from __future__ import annotations

import json
import time

import httpx
import pytest

from headrace.block import TopicPartition
from headrace.lag import LagReader
from headrace.workers import Workers
from tests.serve.server import served
from tests.tracing.collector import attributes, collecting
from tests.tracing.project import TOPIC, sale

pytestmark = [pytest.mark.services, pytest.mark.timeout(120)]


def wait(condition, seconds=60.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def drained(kafka):
    with LagReader(kafka, "traced", [TopicPartition(TOPIC, p) for p in (0, 1)]) as reader:
        return not any(lag.behind for lag in reader.read().values())


def test_a_trace_leads_from_the_producer_over_a_crash_to_the_sinks(commands, stack):
    with collecting() as collector:
        commands.produce(sale("s1"), sale("s2"), **collector.env)
        quiet = collector.env | {"OTEL_TRACES_SAMPLER": "always_off"}
        commands.produce(sale("s3", "bob"), sale("s1", "bob"), **quiet)
        sent = collector.named(f"send {TOPIC}")
        assert len(sent) == 2  # what is not sampled is not sent
        assert len({span.trace_id for span in sent}) == 2
        said = attributes(sent[0])
        assert said["messaging.system"] == "kafka"
        assert said["messaging.operation.type"] == "send"
        assert said["messaging.destination.name"] == TOPIC
        assert {attributes(s)["messaging.kafka.offset"] for s in sent} == {0, 1}
        assert all(span.kind == span.SPAN_KIND_PRODUCER for span in sent)

        # Blocks that link to sampled events are recorded whatever the worker's own sampler says.
        env = {**commands.env, **quiet}
        log = commands.root / "worker.log"
        workers = Workers(commands.root, 1, log_file=log, env=env, log_format="json")
        workers.env_once = {"HEADRACE_CRASH": "applied:1"}
        workers.start()
        first = workers.pids
        try:
            wait(lambda: (workers.check(), drained(stack.kafka))[1])
            assert workers.pids != first
        finally:
            workers.stop()

        blocks = [s for s in collector.named(f"process {TOPIC}") if s.links]
        assert blocks  # the worker that died took its spans with it; who repeated it has its own
        block = blocks[-1]
        assert {link.span_id for link in block.links} == {span.span_id for span in sent}
        assert {link.trace_id for link in block.links} == {span.trace_id for span in sent}
        assert block.kind == block.SPAN_KIND_CONSUMER
        said = attributes(block)
        assert said["messaging.consumer.group.name"] == "traced"
        assert said["messaging.batch.message_count"] == 4
        assert (said["headrace.block.first"], said["headrace.block.last"]) == (0, 3)
        assert (said["headrace.events"], said["headrace.duplicates"]) == (3, 1)
        steps = collector.children(block)
        assert {
            "decode", "agent keep", "intend", "write clickhouse.sales", "write redis",
        } <= set(steps)  # fmt: skip
        assert attributes(steps["write redis"])["db.system.name"] == "redis"
        assert all(step.trace_id == block.trace_id for step in steps.values())
        assert len(collector.named(f"process {TOPIC}")) == len(blocks)  # others are not sampled
        assert collector.services == {"headrace-produce", "headrace-worker"}

        lines = [json.loads(line) for line in log.read_text().splitlines()]
        assert {"time", "level", "logger", "message", "pid"} <= set(lines[0])
        assert any("starts at" in line["message"] for line in lines)
        assert {line["pid"] for line in lines} >= set(first)


def test_an_event_over_http_is_in_its_callers_trace_and_linked_to_its_block(commands, stack):
    trace_id, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
    with collecting() as collector, pytest.MonkeyPatch.context() as patch:
        for name, value in collector.env.items():
            patch.setenv(name, value)
        with served(commands.root) as url:
            response = httpx.post(
                f"{url}/v1/events/{TOPIC}",
                json=[sale("h1", "hal"), sale("h2", "hal", amount="many")],
                headers={"traceparent": f"00-{trace_id}-{caller}-01"},
                timeout=60,
            )
        assert response.status_code == 207
        place = response.json()["items"][0]
        (sent,) = collector.named(f"send {TOPIC}")  # at its end the server exports what it has
        assert (sent.trace_id.hex(), sent.parent_span_id.hex()) == (trace_id, caller)
        assert attributes(sent)["messaging.kafka.offset"] == place["offset"]

        workers = Workers(commands.root, 1, log_file=commands.root / "http.log", env=commands.env)
        workers.start()
        try:
            wait(lambda: (workers.check(), drained(stack.kafka))[1])
        finally:
            workers.stop()
        links = [link.span_id for s in collector.named(f"process {TOPIC}") for link in s.links]
        assert sent.span_id in links
        assert "headrace-serve" in collector.services


def test_a_collector_that_is_away_holds_nothing_up(commands):
    env = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9", "OTEL_EXPORTER_OTLP_TIMEOUT": "1"}
    started = time.monotonic()
    assert commands.produce(sale("away", "eve"), **env)["sent"] == 1
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("env", "text"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "'otlp' and 'none'"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "'http/protobuf'",
        ),
    ],
)
def test_what_there_is_not_is_refused(commands, env, text):
    commands("produce", TOPIC, code=2, **env)
    assert text in commands.err
