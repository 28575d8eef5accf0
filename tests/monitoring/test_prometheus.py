"""A real Prometheus with the generated files, scraping the exposition of a worker's metrics."""

from __future__ import annotations

import json
import socket
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import yaml
from prometheus_client import CollectorRegistry, start_http_server

from headrace.block import Block
from headrace.metrics import Metrics
from headrace.metrics.collector import WorkerCollector
from tests.monitoring import DEPLOY
from tests.monitoring.test_files import asked
from tests.tools import binary

NOW_MS = 1_700_000_000_000


class Worker:
    """The metrics of one that writes 20 blocks a second into ClickHouse, each so many s late."""

    def __init__(self) -> None:
        self._metrics = Metrics()
        self.seconds = 0.1
        self._stop = threading.Event()
        registry = CollectorRegistry()
        registry.register(WorkerCollector(self._metrics))
        self._server, self._listening = start_http_server(0, "127.0.0.1", registry)
        self.address = f"127.0.0.1:{self._server.server_port}"
        self._working = threading.Thread(target=self._work)
        self._working.start()

    def _work(self) -> None:
        offset = 0
        while not self._stop.wait(0.05):
            offsets, produced = np.array([offset]), np.array([NOW_MS - round(self.seconds * 1000)])
            block = Block("shop.orders", 0, offset, offset, [b"v"], offsets, produced, [b"k"])
            self._metrics.sink_applied("clickhouse", block, NOW_MS, 0.01)
            offset += 1

    def stop(self) -> None:
        self._stop.set()
        self._working.join()
        self._server.shutdown()
        self._server.server_close()
        self._listening.join()


class Prometheus:
    """A process of its own, asked over its API."""

    def __init__(self, base: str) -> None:
        self._base = base

    def get(self, path: str, **parameters: str) -> Any:
        url = f"{self._base}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        with urllib.request.urlopen(url, timeout=5) as answer:
            return json.load(answer)["data"]

    def firing(self) -> list[dict[str, Any]]:
        return [alert for alert in self.get("alerts")["alerts"] if alert["state"] == "firing"]


def until(what: Any, seconds: float, why: str) -> Any:
    """Ask until the answer is not empty."""
    deadline = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < deadline, why
        time.sleep(0.1)
    return found


@pytest.fixture
def worker() -> Iterator[Worker]:
    one = Worker()
    yield one
    one.stop()


@pytest.fixture
def prometheus(tmp_path, worker) -> Iterator[Prometheus]:
    """The generated configuration; only addresses and intervals are other ones."""
    config = yaml.safe_load((DEPLOY / "prometheus/prometheus.yml").read_text())
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    del config["alerting"]
    for job in config["scrape_configs"]:
        targets = [worker.address] if job["job_name"] == "headrace-workers" else []
        job["static_configs"] = [{"targets": targets}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    for name in config["rule_files"]:
        rules = yaml.safe_load((DEPLOY / "prometheus" / name).read_text())
        for group in rules["groups"]:
            group["interval"] = "1s"
        (tmp_path / name).write_text(yaml.safe_dump(rules))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [
        binary("prometheus", "prometheus"),
        f"--config.file={tmp_path / 'prometheus.yml'}",
        f"--storage.tsdb.path={tmp_path / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        until(lambda: _answers(port, process, tmp_path / "log"), 20, "Prometheus does not start")
        yield Prometheus(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int, process: subprocess.Popen, log: Any) -> bool:
    assert process.poll() is None, log.read_text()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/-/ready", timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def test_late_records_reach_firing_and_every_expression_is_taken(prometheus, worker):
    ratio = 'headrace:slo_error_ratio:5m{slo="freshness",sink="clickhouse"}'
    (first,) = until(
        lambda: prometheus.get("query", query=f"{ratio} >= 0")["result"], 20, "nothing recorded"
    )
    assert float(first["value"][1]) == 0
    assert prometheus.firing() == []
    for expr in asked():
        prometheus.get("query", query=expr)
    for group in prometheus.get("rules")["groups"]:
        assert {rule["health"] for rule in group["rules"]} == {"ok"}, group["name"]

    worker.seconds = 25.0  # later than 10 s and earlier than 30

    def burning() -> list[dict[str, Any]]:
        found = [a for a in prometheus.firing() if a["labels"].get("window") == "1h"]
        return found if len(found) > 1 else []

    alerts = until(burning, 25, "no alert fires")
    names = {alert["labels"]["alertname"] for alert in alerts}
    assert names == {"HeadraceFreshnessBudgetBurn", "HeadraceMetricFreshnessBudgetBurn"}
    owners = {alert["labels"]["owner"] for alert in alerts}
    assert {"data-platform", "commerce"} <= owners
    for alert in alerts:
        assert alert["labels"]["severity"] == "page"
        assert "30 s in" not in alert["annotations"]["description"]  # what was promised in 30 s
        assert "% of the" in alert["annotations"]["description"]
