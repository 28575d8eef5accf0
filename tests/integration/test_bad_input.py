"""Garbage beside good events: set aside whole and explained, its neighbours untouched."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer
from confluent_kafka import TopicPartition as KafkaTP

import loadgen.verify
from headrace import stack as services
from headrace import topology
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.errors import Terminal
from headrace.schema import Encoder, Registry
from headrace.workers import Workers
from tests.chaos.proxy import Proxy

pytestmark = pytest.mark.services
ROOT = Path(__file__).resolve().parents[2]
TOPIC = "shop.catalog"
WAIT_S = 60


class Project:
    """A project folder with services of its own, so that its log holds what the test sent."""

    def __init__(self, root: Path, where: Endpoints) -> None:
        self.root, self.where = root, where
        self.topology = topology.load(root)
        self._encoder = Encoder(Registry.load(root), "catalog")
        self._producer = Producer(
            {"bootstrap.servers": where.kafka, "message.max.bytes": 32 << 20, "linger.ms": 50}
        )

    def good(self, number: int, name: str | None = "thing", price: str = "1.50") -> bytes:
        return self._encoder.encode(
            {
                "event_id": f"e{number}",
                "occurred_at": 1_790_000_000_000 + number,
                "producer": "test",
                "schema_version": 1,
                "product_id": f"p{number % 7}",
                "region": "apac",
                "type": "created",
                "name": name,
                "category": "tools",
                "price": price,
                "currency": "EUR",
            }
        )

    def send(self, *values: bytes | None, partition: int = 0) -> None:
        for value in values:
            self._producer.produce(TOPIC, value, key=b"k", partition=partition)
        assert self._producer.flush(60) == 0

    def drain(self, workers: Workers) -> None:
        deadline = time.monotonic() + WAIT_S
        while any(lag.behind for lag in loadgen.verify.lags(self.where, self.topology).values()):
            workers.check()
            assert time.monotonic() < deadline, "the pipeline did not drain"
            time.sleep(0.1)

    def letters(self) -> list[tuple[dict[str, str], bytes | None, bytes | None]]:
        consumer = Consumer({"bootstrap.servers": self.where.kafka, "group.id": "look"})
        found = []
        try:
            for partition in range(4):
                place = KafkaTP(f"{TOPIC}.dlq", partition, 0)
                _, end = consumer.get_watermark_offsets(place, timeout=10)
                consumer.assign([place])
                while len([f for f in found if f[3] == partition]) < end:
                    for message in consumer.consume(100, 1.0):
                        headers = {k: v.decode() for k, v in message.headers()}
                        found.append((headers, message.key(), message.value(), partition))
        finally:
            consumer.close()
        return [entry[:3] for entry in found]


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    shutil.copy(ROOT / "topology.yaml", tmp_path / "topology.yaml")
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / ".headrace"))
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    with services.running(tmp_path) as where:
        made = Project(tmp_path, where)
        apply_all(tmp_path, made.topology, where)
        yield made


def run(project: Project) -> Workers:
    workers = Workers(project.root, 1, log_file=project.root / "worker.log")
    workers.start()
    return workers


def test_every_kind_of_bad_record_is_set_aside_alone(project):
    good = project.good(0)
    claims_2_gb = good[:5] + b"\xfe\xff\xff\xff\x0f" + good[6:]
    bad = {
        "unknown schema id": b"\x00\x00\x00\x03\xe7" + good[5:],
        "wrong magic": b"\x01" + good[1:],
        "short": good[:3],
        "truncated": good[:-4],
        "trailing": good + b"\x00",
        "2 GB length": claims_2_gb,
        "10 MB of garbage": good[:5] + b"\xff" * 10_000_000,
        "empty": b"",
    }
    values: list[bytes | None] = []
    number = 1
    for value in bad.values():  # each in the middle of good ones
        values += [project.good(number), project.good(number + 1), value, project.good(number + 2)]
        number += 3
    values += [None, project.good(number, name="x" * 10_000_000), None]
    filler = [project.good(1_000 + i) for i in range(1_000)]
    project.send(*values, *filler)
    project.send(*filler, partition=1)
    workers = run(project)
    try:
        project.drain(workers)
    finally:
        workers.stop()
    letters = project.letters()
    by_offset = {int(headers["headrace.offset"]): value for headers, _, value in letters}
    expected = {values.index(value): value for value in bad.values()}
    assert by_offset == expected
    for headers, key, _ in letters:
        assert headers["headrace.topic"] == TOPIC
        assert headers["headrace.partition"] == "0"
        assert headers["headrace.step"] in ("frame", "decode")
        assert headers["headrace.reason"]
        assert key == b"k"
    report = loadgen.verify.verify(project.root, project.where, project.topology, None)
    differences = [s for s in report.sections if s.differing and s.comparison != "placement"]
    assert not differences, differences
    assert report.notes["bad_records_in_the_log"] == len(bad)
    assert report.notes["tombstones_in_the_log"] == 2
    assert report.notes["events_in_the_log"] == number + 2_000


def test_past_the_ceiling_the_worker_stops_and_nothing_is_lost(project):
    project.send(*(b"garbage" for _ in range(1_500)))
    workers = run(project)
    try:
        deadline = time.monotonic() + WAIT_S
        with pytest.raises(Terminal, match="exit code 1"):
            workers.watch(lambda: time.monotonic() > deadline)
    finally:
        workers.stop()
    assert "dead_letters.max_ratio" in (project.root / "worker.log").read_text()
    lags = loadgen.verify.lags(project.where, project.topology)
    assert sum(lag.behind for lag in lags.values()) == 1_500


def test_a_worker_that_starts_while_kafka_is_away_waits_for_it(project):
    proxy = Proxy(("127.0.0.1", 1))
    project.send(project.good(1))
    log = project.root / "worker.log"
    env = {"HEADRACE_KAFKA": f"127.0.0.1:{proxy.port}"}
    workers = Workers(project.root, 1, log_file=log, env=env)
    workers.start()
    try:
        until(workers, lambda: "can't start for now" in log.read_text())
        proxy.target = ("127.0.0.1", int(project.where.kafka.rpartition(":")[2]))
        project.drain(workers)
    finally:
        workers.stop()
        proxy.close()


def until(workers: Workers, condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        workers.check()
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_missing_topic_and_a_changed_partition_count_are_said_before_anything_runs(project):
    text = (project.root / "topology.yaml").read_text()
    (project.root / "topology.yaml").write_text(text.replace("partitions: 4", "partitions: 8"))
    command = [sys.executable, "-m", "headrace.worker", "--root", str(project.root)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "topic 'shop.catalog' has 4 partitions, topology.yaml declares 8" in done.stderr
    assert "Traceback" not in done.stderr
    renamed = text.replace("shop.catalog:  ", "shop.katalog:  ").replace(
        "shop.catalog", "shop.katalog"
    )
    (project.root / "topology.yaml").write_text(renamed)
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert "topic 'shop.katalog' does not exist: create it with 'headrace apply'" in done.stderr
