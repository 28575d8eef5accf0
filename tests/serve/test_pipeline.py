"""A worker and a serving process on real services: what they tell, and when a service is away."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter

import clickhouse_connect
import httpx
import pytest
from confluent_kafka import Producer
from prometheus_client.parser import text_string_to_metric_families

from headrace import endpoints, probes, stack, topology
from headrace.cli.apply import apply_all
from headrace.cli.status import look
from headrace.clock import ManualClock
from headrace.errors import ConfigError
from headrace.serve.context import Context
from headrace.serve.exposition.business import BusinessCollector, NewestStep
from headrace.serve.readers import RedisReader
from headrace.serve.workers import WorkersReader
from headrace.stack.state import free_ports
from headrace.worker_state import worker_key
from tests.serve.server import ROOT, served

pytestmark = [pytest.mark.slow, pytest.mark.services, pytest.mark.timeout(240)]
SECRET = b"Erika Mustermann"


class World:
    """A project, its services, one worker and one serving process."""

    def __init__(self, root, url, port):
        self.root = root
        self.declared = topology.load(root)
        self.url = url
        self.worker = f"http://127.0.0.1:{port}"
        self.port = port

    def pipeline(self):
        return httpx.get(f"{self.url}/v1/pipeline").json()

    def committed(self):
        topics = self.pipeline()["topics"].values()
        return sum(p["committed"] or 0 for topic in topics for p in topic["partitions"])

    def samples(self, url):
        """By name and labels' values in the order of their names."""
        families = text_string_to_metric_families(httpx.get(f"{url}/metrics").text)
        return {
            (s.name, *(v for _, v in sorted(s.labels.items()))): s.value
            for family in families
            for s in family.samples
        }

    def problems(self):
        return [problem.what for problem in look(self.root, self.declared).problems]

    def kill(self, service):
        pid = next(s.pid for s in stack.status(self.root) if s.name == service)
        os.kill(pid, signal.SIGKILL)


def wait(condition, seconds=40.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def command(*words):
    return [sys.executable, "-m", "headrace.cli.main", *words]


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    root = tmp_path_factory.mktemp("watched")
    shutil.copytree(ROOT / "schemas", root / "schemas")
    shutil.copy(ROOT / "topology.yaml", root / "topology.yaml")
    port = free_ports(1)[0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", str(root / ".headrace"))
        with stack.running(root) as where:
            apply_all(root, topology.load(root), where)
            log = (root / "run.log").open("wb")
            run = subprocess.Popen(
                command("run", "--metrics-port", str(port)), cwd=root, stdout=log, stderr=log
            )
            try:
                with served(root) as url:
                    found = World(root, url, port)
                    wait(lambda: found.pipeline()["health"]["ok"])
                    yield found
            finally:
                run.send_signal(signal.SIGTERM)
                assert run.wait(30) == 0
                log.close()


@pytest.fixture(scope="module")
def sent(world):
    """Events by topic: generated ones, and three of which no frame can be made."""
    done = subprocess.run(
        command("load", "--events", "3000", "--rate", "0", "--users", "200", "--json"),
        cwd=world.root, capture_output=True, check=True,
    )  # fmt: skip
    counts = Counter({n: t["sent"] for n, t in json.loads(done.stdout)["events"].items()})
    producer = Producer({"bootstrap.servers": endpoints.load(world.root).kafka})
    for _ in range(3):
        producer.produce("shop.orders", SECRET, partition=1)
    assert producer.flush(20) == 0
    counts["shop.orders"] += 3
    wait(lambda: world.committed() == counts.total())
    return counts


def test_a_scrape_of_the_worker_counts_what_was_sent(world, sent):
    found = world.samples(world.worker)
    for topic, count in sent.items():
        letters = sum(v for k, v in found.items() if k[0] == "headrace_dead_letters_total"
                      and k[-1] == topic)  # fmt: skip
        assert letters == (3 if topic == "shop.orders" else 0)
        delivered = found["headrace_events_total", topic]
        repeats = found["headrace_duplicates_total", topic]
        assert delivered + repeats + letters == count
        table = topic.rpartition(".")[2]
        assert found["headrace_rows_total", table] == delivered
    fresh = sum(sent.values())
    assert found["headrace_freshness_seconds_count", "clickhouse"] == fresh
    assert found["headrace_assigned_partitions",] == 24
    assert SECRET.decode() not in httpx.get(f"{world.worker}/metrics").text


def test_the_pipeline_tells_lag_letters_and_errors_without_what_records_hold(world, sent):
    wait(lambda: world.pipeline()["dead_letters"])
    text = httpx.get(f"{world.url}/v1/pipeline").text
    assert SECRET.decode() not in text
    now = json.loads(text)
    ends = {name: sum(p["end"] for p in t["partitions"]) for name, t in now["topics"].items()}
    assert {name: end for name, end in ends.items() if end} == sent
    assert [(x["topic"], x["step"], x["count"]) for x in now["dead_letters"]] == [
        ("shop.orders", "frame", 3)
    ]
    errors = now["agents"]["views"]["last_errors"]
    assert [(e["topic"], e["partition"]) for e in errors] == [("shop.orders", 1)] * 3
    assert now["sinks"]["clickhouse"]["freshness_ms"]["p99"] > 0
    assert [w["assigned"] for w in now["workers"]] == [24]
    assert now["health"] == {"ok": True, "problems": []}


def test_the_stream_moves(world, sent):
    moments = []
    with httpx.stream("GET", f"{world.url}/v1/pipeline/stream") as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        for line in answer.iter_lines():
            if line.startswith("data: "):
                moments.append(json.loads(line.removeprefix("data: "))["at"])
                if len(moments) == 3:
                    break
    assert moments == sorted(set(moments))
    assert moments[2] - moments[1] < 2_000


def test_the_serving_process_is_scraped(world, sent):
    found = world.samples(world.url)
    assert found["headrace_lag", "0", "shop.orders"] == 0
    assert found["headrace_service_up", "kafka"] == 1
    assert found["headrace_workers",] == 1
    assert found["headrace_pipeline_ok",] == 1
    assert found["headrace_http_requests_total", "GET", "/v1/pipeline", "200"] > 0
    assert found["headrace_sse_clients",] == 0
    httpx.get(f"{world.url}/nowhere/{time.monotonic()}")
    assert world.samples(world.url)["headrace_http_requests_total", "GET", "other", "404"] == 1


def test_declared_metrics_are_those_of_the_newest_complete_step(world, sent):
    where = endpoints.load(world.root)
    client = clickhouse_connect.get_client(dsn=where.clickhouse, database="headrace")
    minute, count = client.query(
        "SELECT toUnixTimestamp(toStartOfMinute(occurred_at)) AS minute, count() FROM orders "
        "WHERE type = 'placed' GROUP BY minute ORDER BY count() DESC LIMIT 1"
    ).first_row
    client.close()
    asked = NewestStep(world.declared, where, ManualClock((minute + 60) * 1000 + 59_999))
    gauges = asked.read()
    asked.close()
    assert gauges.keys() == world.declared.metrics.keys()
    assert gauges["orders"].labels == ("region", "currency")
    assert sum(value for _, value in gauges["orders"].rows) == count
    assert gauges["latency"].labels == ("route", "quantile")
    collector = BusinessCollector(Context(world.root, world.declared))
    families = {family.name: family for family in collector.families(gauges)}
    assert sum(s.value for s in families["headrace_metric_orders"].samples) == count
    assert "tenant" not in families["headrace_metric_requests"].samples[0].labels


def test_workers_states_are_no_data(world, sent):
    where, prefix = endpoints.load(world.root), world.declared.redis.prefix
    told = WorkersReader(where.redis, prefix)
    state = told.read()[0]
    told.close()
    reader = RedisReader(where.redis, prefix, world.declared.redis.keyspaces)
    assert reader.locate(worker_key(prefix, state["host"], state["pid"])) is None
    assert all(":worker" not in id_ for _, _, id_, _ in reader.entries())


def test_a_port_that_is_taken_is_told_before_a_worker_starts(world):
    done = subprocess.run(
        command("run", "--workers", "2", "--metrics-port", str(world.port - 1)),
        cwd=world.root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert f"--metrics-port: can't listen on 127.0.0.1:{world.port}: " in done.stderr
    with pytest.raises(ConfigError, match=r"can't listen on 127\.0\.0\.1:65536"):
        probes.check(probes.Address("127.0.0.1", 65_536))


def test_status_as_a_command(world, sent):
    done = subprocess.run(
        command("status", "--json"), cwd=world.root, capture_output=True, check=True
    )
    found = json.loads(done.stdout)
    assert found["ok"]
    assert found["problems"] == []
    assert found["pipeline"]["topics"]["shop.orders"]["lag"] == 0
    assert found["pipeline"]["sinks"]["redis"]["freshness_ms"]["p50"] is not None


@pytest.mark.parametrize("service", ["redis", "clickhouse", "kafka"])
def test_a_service_that_is_killed_is_told_and_so_is_its_return(world, sent, service):
    before = world.pipeline()["topics"]
    assert httpx.get(f"{world.url}/readyz").json() == {
        "ready": True, "reasons": [], "degraded": [],
    }  # fmt: skip
    world.kill(service)
    missing = f"{service} does not answer"
    wait(lambda: not world.pipeline()["services"][service]["up"])
    now = world.pipeline()
    assert missing in [p["what"] for p in now["health"]["problems"]]
    assert now["topics"]["shop.orders"]["partitions"] == before["shop.orders"]["partitions"]
    answer = httpx.get(f"{world.url}/readyz")
    if service == "kafka":
        assert (answer.status_code, answer.json()["degraded"]) == (200, [missing])
    else:
        assert (answer.status_code, answer.json()["reasons"]) == (503, [missing])
    assert httpx.get(f"{world.url}/healthz").json() == {"live": True}
    assert world.samples(world.url)["headrace_service_up", service] == 0
    assert any(what.startswith(service) for what in world.problems())
    stack.up(world.root, own=True)
    wait(lambda: world.pipeline()["health"]["ok"])
    assert httpx.get(f"{world.url}/readyz").json()["ready"]
    wait(lambda: httpx.get(f"{world.worker}/readyz").status_code == 200)
    assert world.problems() == []
