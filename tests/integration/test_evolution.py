"""A field travels from its schema to its column while old and new workers run side by side."""

from __future__ import annotations

import json
import shutil
import time
import uuid
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from headrace import topology
from headrace.cli.apply import apply_all, steps
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError
from headrace.schema import Encoder, Registry
from headrace.schema.register import register
from headrace.workers import Workers
from tests.strategies import event

ROOT = Path(__file__).resolve().parents[2]
ADDED = [
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "channel", "type": "string", "default": "it's the web"},
]
TOPOLOGY = """
version: 1
name: {name}
defaults: {{partitions: 2}}
topics:
  {name}: {{schema: flags, key: user_id}}
agents:
  keep:
    function: tests.integration.evolving:keep
    reads: [{name}]
    writes: {{tables: [flags]}}
clickhouse:
  database: {name}
  tables:
    flags: {{topic: {name}, order_by: [user_id]}}
"""


class Project:
    """A folder with one topic, its table and its workers."""

    def __init__(self, root: Path, services: Endpoints) -> None:
        self.root = root
        self.services = services
        self.name = f"evolve_{uuid.uuid4().hex[:8]}"
        (root / "schemas").mkdir()
        shutil.copy(ROOT / "schemas/flags.avsc", root / "schemas")
        (root / "topology.yaml").write_text(TOPOLOGY.format(name=self.name))
        register(root / "schemas")
        self.apply()
        self.admin = AdminClient({"bootstrap.servers": services.kafka})
        self.clickhouse: Any = clickhouse_connect.get_client(
            dsn=services.clickhouse, database=self.name
        )

    def plan(self) -> list[str]:
        declared = topology.load(self.root)
        return [step.what for step in steps(self.root, declared, self.services)]

    def apply(self) -> None:
        apply_all(self.root, topology.load(self.root), self.services)

    def evolve(self) -> None:
        """Write version 2, without locking it."""
        spec = json.loads((self.root / "schemas/flags.avsc").read_text())
        spec["fields"] += ADDED
        (self.root / "schemas/flags.v2.avsc").write_text(json.dumps(spec))

    def worker(self) -> Workers:
        group = Workers(self.root, 1, log_file=self.root / "worker.log")
        group.start()
        return group

    def members(self) -> dict[str, set[int]]:
        """The partitions of each worker in the group."""
        group = self.admin.describe_consumer_groups([self.name])[self.name].result(20)
        return {
            member.member_id: {tp.partition for tp in member.assignment.topic_partitions}
            for member in group.members
        }

    def send(self, encoder: Encoder, ids: Collection[str], **more: Any) -> None:
        """An event of each id to each partition."""
        producer = Producer({"bootstrap.servers": self.services.kafka})
        for one in ids:
            for partition in (0, 1):
                record = event("platform.flags", event_id=f"{one}/{partition}", **more)
                producer.produce(self.name, encoder.encode(record), partition=partition)
        assert producer.flush(30) == 0

    def ids(self) -> list[str]:
        answer = self.clickhouse.query("SELECT event_id FROM flags ORDER BY event_id")
        return [row[0] for row in answer.result_rows]

    def added(self, prefix: str, partition: int) -> set[tuple[Any, ...]]:
        """The values of the added columns in rows of these events."""
        answer = self.clickhouse.query(
            "SELECT DISTINCT note, channel FROM flags "
            "WHERE startsWith(event_id, {p:String}) AND _partition = {n:Int32}",
            parameters={"p": prefix, "n": partition},
        )
        return set(answer.result_rows)

    def letters(self) -> int:
        consumer = Consumer({"bootstrap.servers": self.services.kafka, "group.id": "none"})
        try:
            ends = [
                consumer.get_watermark_offsets(TopicPartition(f"{self.name}.dlq", p), 20)[1]
                for p in (0, 1)
            ]
        finally:
            consumer.close()
        return sum(ends)


def until(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def batch(prefix: str) -> list[str]:
    return [f"{prefix}{i:03}" for i in range(100)]


def stored(*prefixes: str) -> list[str]:
    return sorted(f"{one}/{p}" for prefix in prefixes for one in batch(prefix) for p in (0, 1))


@pytest.mark.timeout(200)
def test_an_added_field_reaches_its_column_while_old_and_new_workers_run(
    stack: Endpoints, tmp_path: Path
) -> None:
    project = Project(tmp_path, stack)
    first = Encoder(Registry.load(tmp_path), "flags")
    default = (None, "it's the web")
    sent = {"note": "new", "channel": "app"}
    old = project.worker()
    workers = [old]
    try:
        project.send(first, batch("before"))
        until(lambda: project.ids() == stored("before"))
        (old_id,) = project.members()

        project.evolve()
        with pytest.raises(ConfigError, match=r"flags\.v2\.avsc: not in registry\.json"):
            project.apply()
        register(tmp_path / "schemas")
        assert project.plan() == [
            "add column note Nullable(String)",
            "add column channel String",
        ]
        project.apply()
        assert project.plan() == []
        assert project.added("before", 0) == {default}

        second = Encoder(Registry.load(tmp_path), "flags")
        workers.append(project.worker())
        until(lambda: [len(owned) for owned in project.members().values()] == [1, 1])
        (olds,) = project.members()[old_id]
        project.send(first, batch("one"))
        project.send(second, batch("two"), **sent)
        until(lambda: project.ids() == stored("before", "one", "two"))
        assert project.added("one", 0) == project.added("one", 1) == {default}
        assert project.added("two", olds) == {default}, "it reads version 2 as version 1"
        assert project.added("two", 1 - olds) == {("new", "app")}

        old.stop()
        workers.remove(old)
        project.send(second, batch("after"), **sent)
        until(lambda: project.ids() == stored("after", "before", "one", "two"))
        assert project.added("after", 0) == project.added("after", 1) == {("new", "app")}
        assert project.letters() == 0
    finally:
        for group in workers:
            group.stop()
