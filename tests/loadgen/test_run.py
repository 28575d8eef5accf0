"""Whole runs against a real broker: what is in the topics is what the ledger says."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
import uuid
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import orjson
import polars as pl
import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from headrace import topology
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError, Terminal, Transient
from headrace.topology import Topology
from loadgen import LoadConfig, generate, run, sender, wire
from loadgen.pacing import BURST
from loadgen.runner import Summary
from loadgen.wiring import ROOT

CONFIG = LoadConfig(
    events=20_000, seed=4, users=500, start_ms=1_772_366_390_000, bad_ratio=0.01, chunk_events=4_000
)
Place = tuple[str, int]
#: What a broker says of a partition that it has just made.
NOT_YET = (KafkaError.NOT_LEADER_FOR_PARTITION, KafkaError._UNKNOWN_PARTITION)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of the project's declarations whose topics bear names of their own."""
    prefix = f"t{uuid.uuid4().hex[:8]}"
    text = (ROOT / "topology.yaml").read_text()
    for area in ("shop", "platform"):
        text = text.replace(f"{area}.", f"{prefix}.{area}.")
    (tmp_path / "topology.yaml").write_text(text)
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path


def _create(stack: Endpoints, declared: Topology, config: Mapping[str, str] | None = None) -> None:
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    topics = [
        NewTopic(name, declared.partitions(name), 1, config=dict(config or {}))
        for name in declared.topics
    ]
    for created in admin.create_topics(topics).values():
        created.result(30)
    pause = threading.Event()
    for _ in range(300):  # the broker answers before it leads a new partition
        try:
            _ends(stack, declared)
            return
        except KafkaException as error:
            if error.args[0].code() not in NOT_YET:
                raise
            pause.wait(0.1)
    raise AssertionError("new topics have no leader after 30 s")


@pytest.fixture
def declared(project: Path, stack: Endpoints) -> Iterator[Topology]:
    """The topology of ``project``, its topics there and empty."""
    found = topology.load(project)
    _create(stack, found)
    yield found
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    for deleted in admin.delete_topics(list(found.topics)).values():
        deleted.result(30)


def _ends(stack: Endpoints, declared: Topology) -> dict[Place, int]:
    """The end offset of every partition."""
    consumer = Consumer({"bootstrap.servers": stack.kafka, "group.id": "unused"})
    try:
        return {
            (topic, p): consumer.get_watermark_offsets(TopicPartition(topic, p), timeout=30)[1]
            for topic in declared.topics
            for p in range(declared.partitions(topic))
        }
    finally:
        consumer.close()


def _logged(stack: Endpoints, declared: Topology) -> dict[Place, list[tuple[bytes, bytes]]]:
    """Every record of every partition, in log order."""
    ends = _ends(stack, declared)
    consumer = Consumer(
        {
            "bootstrap.servers": stack.kafka,
            "group.id": "unused",
            "auto.offset.reset": "earliest",
            "enable.auto.commit": False,
        }
    )
    consumer.assign([TopicPartition(topic, p, 0) for topic, p in ends])
    found: dict[Place, list[tuple[bytes, bytes]]] = defaultdict(list)
    try:
        for _ in range(sum(ends.values())):
            message = consumer.poll(30)
            assert message is not None
            assert message.error() is None
            place = message.topic(), message.partition()
            found[place].append((message.key(), message.value()))
    finally:
        consumer.close()
    return found


def _rows(ledger: Path) -> int:
    """Good records that the ledger's tables hold."""
    return sum(int(pl.read_parquet(path)["rows"].sum()) for path in ledger.glob("table.*.parquet"))


def _kept(summary: Summary, declared: Topology) -> int:
    """Records that lead to rows: good ones, without the repeats that their topic drops."""
    return sum(
        counts["sent"] - counts["bad"] - counts["duplicates"] * bool(declared.topics[topic].dedupe)
        for topic, counts in summary.events.items()
    )


@pytest.mark.services
def test_the_log_holds_the_generated_bytes_in_order(
    stack: Endpoints, declared: Topology, project: Path, tmp_path: Path
) -> None:
    summary = run(CONFIG, stack, declared, tmp_path / "ledger", root=project)
    expected: dict[Place, list[tuple[bytes, bytes]]] = defaultdict(list)
    for chunk in generate(LoadConfig(**summary.config), wire(declared, project)):
        for batch in chunk.batches.values():
            for partition, key, value in zip(
                batch.partitions.tolist(), batch.keys, batch.values, strict=True
            ):
                expected[batch.topic, partition].append((key, value))
    assert _logged(stack, declared) == expected
    written = orjson.loads((tmp_path / "ledger" / "summary.json").read_bytes())
    assert written == summary.as_dict()
    assert summary.records == CONFIG.events
    assert not summary.stopped
    assert _rows(tmp_path / "ledger") == _kept(summary, declared)
    for topic, counts in summary.events.items():
        logged = sum(len(found) for (name, _), found in expected.items() if name == topic)
        assert counts["sent"] == logged


@pytest.mark.services
def test_a_stopped_run_accounts_for_exactly_what_it_sent(
    stack: Endpoints, declared: Topology, project: Path, tmp_path: Path
) -> None:
    stop = threading.Event()
    endless = CONFIG.model_copy(update={"events": None, "rate": 20_000.0, "bad_ratio": 0.0})
    summary = run(
        endless,
        stack,
        declared,
        tmp_path / "ledger",
        on_progress=lambda now: stop.set() if now.sent > 7_000 else None,
        stop=stop,
        root=project,
    )
    assert summary.stopped
    assert 7_000 < summary.records < 7_000 + 2 * BURST
    assert sum(_ends(stack, declared).values()) == summary.records
    assert _rows(tmp_path / "ledger") == _kept(summary, declared)
    assert summary.asked_rate == 20_000
    assert 0 < summary.achieved_rate < 21_000


@pytest.mark.services
def test_missing_topics_are_named(stack: Endpoints, project: Path) -> None:
    declared = topology.load(project)
    with pytest.raises(ConfigError, match=r"'t\w+\.shop\.catalog' does not exist.*headrace apply"):
        run(CONFIG, stack, declared, None, root=project)


@pytest.mark.services
def test_a_topic_with_other_partitions_is_refused(
    stack: Endpoints, declared: Topology, project: Path
) -> None:
    more = declared.defaults.model_copy(update={"partitions": 5})
    with pytest.raises(ConfigError, match=r"has 4 partitions on .* says 5"):
        run(CONFIG, stack, declared.model_copy(update={"defaults": more}), None, root=project)


@pytest.mark.services
def test_a_record_that_the_broker_refuses_ends_the_run_without_a_ledger(
    stack: Endpoints, project: Path, tmp_path: Path
) -> None:
    declared = topology.load(project)
    _create(stack, declared, {"max.message.bytes": "300"})  # any batch is larger
    with pytest.raises(Terminal, match="not delivered"):
        run(CONFIG, stack, declared, tmp_path / "ledger", root=project)
    assert not (tmp_path / "ledger").exists()


def test_a_broker_that_does_not_answer_is_transient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "TIMEOUT_S", 0.5)
    nowhere = Endpoints("127.0.0.1:1", "", "")
    with pytest.raises(Transient, match=r"127\.0\.0\.1:1"):
        run(CONFIG, nowhere, topology.load(ROOT), None)


def _command(stack: Endpoints, project: Path, *options: str) -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "HEADRACE_KAFKA": stack.kafka,
        "HEADRACE_CLICKHOUSE": stack.clickhouse or "http://127.0.0.1:1",
        "HEADRACE_REDIS": stack.redis or "redis://127.0.0.1:1",
    }
    command = [sys.executable, "-m", "headrace.cli.main", "load", *options]
    return subprocess.Popen(
        command, cwd=project, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


@pytest.mark.services
def test_the_command_prints_its_summary(
    stack: Endpoints, declared: Topology, project: Path
) -> None:
    options = ["--events", "3000", "--seed", "9", "--start", "2026-03-01T12:00", "--json"]
    out, err = _command(stack, project, *options, "--ledger", "ledger").communicate(timeout=60)
    assert err == b""
    summary = orjson.loads(out)
    assert summary == orjson.loads((project / "ledger" / "summary.json").read_bytes())
    assert summary["records"] == 3_000 == sum(_ends(stack, declared).values())
    assert summary["config"]["start_ms"] == 1_772_366_400_000


@pytest.mark.services
def test_an_interrupt_ends_the_command_well(
    stack: Endpoints, declared: Topology, project: Path
) -> None:
    running = _command(stack, project, "--rate", "3000", "--ledger", "ledger")
    try:
        pause = threading.Event()
        while not sum(_ends(stack, declared).values()):
            assert running.poll() is None
            pause.wait(0.1)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=60)
    finally:
        running.kill()
    assert running.returncode == 0, err.decode()
    summary = orjson.loads((project / "ledger" / "summary.json").read_bytes())
    assert summary["stopped"]
    assert summary["records"] == sum(_ends(stack, declared).values())
    assert f"{summary['records']:,} records" in out.decode()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--rate", "-1"], "--rate -1.0"),
        (["--bad-ratio", "2"], "--bad-ratio 2.0"),
        (["--start", "soon"], "--start 'soon'"),
    ],
)
def test_misuse_is_explained(options: list[str], said: str, project: Path) -> None:
    nowhere = Endpoints("127.0.0.1:1", "", "")
    running = _command(nowhere, project, *options)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 2
    assert said in err.decode()
