"""A pipeline with repeats, bad records and poison in its log, and what its view must hold."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import clickhouse_connect
from confluent_kafka import Message, Producer

from headrace import topology
from headrace.cli.apply import apply_all, steps
from headrace.endpoints import Endpoints
from headrace.schema import Encoder, Registry
from headrace.schema.register import register
from headrace.workers import Workers
from tests.replay.agent import POISON

ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 2
WINDOW = 500
MINUTE_MS = 60_000
START_MS = 1_767_225_600_000
SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "user_id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": "long"},
        {"name": "note", "type": "string"},
    ],
}
SELECT = (
    "SELECT toStartOfMinute(at) AS minute, count() AS events, sum(e.amount) AS amount, "
    "uniqExactState(user_id) AS users FROM events AS e GROUP BY minute"
)
CHANGED = SELECT.replace("sum(e.amount)", "sum(e.amount * 2)")
TOPOLOGY = """
version: 1
name: {name}
defaults: {{partitions: {partitions}}}
dead_letters: {{max_ratio: 0.5}}
delivery: {{max_delay_ms: 200}}
topics:
  {name}:
    schema: event
    key: user_id
    dedupe: {{key: event_id, window: {window}}}
    rules:
      not_negative: {{field: amount, min: 0, on_failure: dead_letter}}
agents:
  keep: {{function: "tests.replay.agent:keep", reads: [{name}], writes: {{tables: [events]}}}}
  picky: {{function: "tests.replay.agent:picky", reads: [{name}], writes: {{}}}}
clickhouse:
  database: {name}
  tables:
    events: {{topic: {name}, order_by: [user_id]}}
  views:
    by_minute:
      columns:
        minute: DateTime('UTC')
        events: SimpleAggregateFunction(sum, UInt64)
        amount: SimpleAggregateFunction(sum, Int64)
        users: AggregateFunction(uniqExact, String)
      order_by: [minute]
      partition_by: toYYYYMMDD(minute)
      from:
        events: {select}
redis: {{prefix: {name}, keyspaces: {{counts: {{type: hash, located: true}}}}}}
"""

Sums = dict[int, tuple[int, int, int]]


class Project:
    """A folder with the pipeline, and everything that was sent to its topic."""

    def __init__(self, root: Path, services: Endpoints) -> None:
        self.root = root
        self.services = services
        self.name = f"replay_{uuid.uuid4().hex[:8]}"
        (root / "schemas").mkdir()
        (root / "schemas/event.avsc").write_text(json.dumps(SCHEMA))
        register(root / "schemas")
        self.declare(SELECT)
        apply_all(root, self.topology, services)
        self.clickhouse: Any = clickhouse_connect.get_client(
            dsn=services.clickhouse, database=self.name, autogenerate_session_id=False
        )
        self._encoder = Encoder(Registry.load(root), "event")
        self._producer = Producer({"bootstrap.servers": services.kafka, "linger.ms": 5})
        self._random = random.Random(7)
        self._sent: dict[tuple[int, int], dict[str, Any]] = {}
        self._recent: list[dict[str, Any]] = []

    def declare(self, select: str) -> None:
        """Write topology.yaml with this select."""
        text = TOPOLOGY.format(
            name=self.name, partitions=PARTITIONS, window=WINDOW, select=json.dumps(select)
        )
        (self.root / "topology.yaml").write_text(text)
        self.topology = topology.load(self.root)

    def plan(self) -> list[tuple[str, bool]]:
        """What ``headrace plan`` says, and whether it is for a replay."""
        return [(s.object, s.replay) for s in steps(self.root, self.topology, self.services)]

    def worker(self) -> Workers:
        """One worker, which finds the tests' agents; not started."""
        env = {"PYTHONPATH": str(ROOT)}
        return Workers(self.root, 1, log_file=self.root / "worker.log", env=env)

    def send(self, number: int) -> None:
        """So many events, some of them repeats, bad or poison, and wait until Kafka has them."""
        for _ in range(number):
            event = self._event()
            self._producer.produce(
                self.name, key=event["user_id"].encode(), value=self._value(event),
                on_delivery=lambda error, message, event=event: self._note(error, message, event),
            )  # fmt: skip
            self._producer.poll(0)
        assert self._producer.flush(60) == 0

    def _event(self) -> dict[str, Any]:
        draw = self._random.random()
        if draw < 0.05 and self._recent:
            return self._random.choice(self._recent)
        amount = -1 if draw < 0.07 else POISON if draw < 0.08 else self._random.randrange(600)
        event = {
            "event_id": uuid.UUID(int=self._random.getrandbits(128)).hex,
            "user_id": f"u{self._random.randrange(97)}",
            "at": START_MS + self._random.randrange(3 * 86_400_000),
            "amount": amount,
            "note": "x" * self._random.randrange(40),
        }
        self._recent = [*self._recent[-50:], event]
        return event

    def _value(self, event: Mapping[str, Any]) -> bytes:
        return self._encoder.encode(event)

    def _note(self, error: Any, message: Message, event: dict[str, Any]) -> None:
        assert error is None
        self._sent[message.partition(), message.offset()] = event

    def truth(self) -> Sums:
        """Events, amounts and users by minute of all that was sent, recounted by the rules."""
        sums: dict[int, list[int]] = {}
        users: dict[int, set[str]] = {}
        seen: dict[tuple[int, str], int] = {}
        for (partition, offset), event in sorted(self._sent.items()):
            if event["amount"] < 0:
                continue
            before = seen.get((partition, event["event_id"]))
            seen[partition, event["event_id"]] = offset
            if before is not None and before >= offset - WINDOW:
                continue
            if event["amount"] == POISON:
                continue
            minute = event["at"] // MINUTE_MS * MINUTE_MS
            sum_ = sums.setdefault(minute, [0, 0])
            sum_[0] += 1
            sum_[1] += event["amount"]
            users.setdefault(minute, set()).add(event["user_id"])
        return {m: (n, amount, len(users[m])) for m, (n, amount) in sums.items()}

    def held(self, table: str = "by_minute") -> Sums:
        """What a view or one of its versions holds."""
        rows = self.clickhouse.query(
            "SELECT toInt64(toUnixTimestamp(minute)) * 1000, sum(events), sum(amount), "
            f"uniqExactMerge(users) FROM {table} GROUP BY minute"
        ).result_rows
        return {minute: (events, amount, users) for minute, events, amount, users in rows}

    def await_truth(self, table: str = "by_minute") -> None:
        """Wait until a view or version holds just what was sent."""
        deadline = time.monotonic() + 90
        while (held := self.held(table)) != (truth := self.truth()):
            assert time.monotonic() < deadline, _difference(held, truth)
            time.sleep(0.2)

    def headrace(self, *arguments: str, crash: str = "") -> subprocess.CompletedProcess[str]:
        """A command in a process of its own, which may be told to crash at a point."""
        env = {**os.environ, "PYTHONPATH": str(ROOT), "HEADRACE_CRASH": crash}
        return subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", *arguments], cwd=self.root, env=env,
            capture_output=True, text=True, check=False, timeout=120,
        )  # fmt: skip

    def versions(self) -> list[str]:
        """All that there is of the view, besides the view."""
        found = self.clickhouse.query(
            "SELECT name FROM system.tables WHERE database = currentDatabase() "
            "AND startsWith(name, 'by_minute__') ORDER BY name"
        ).result_rows
        return [name for (name,) in found]


def _difference(held: Sums, truth: Sums) -> str:
    total = Counter({"held": sum(n for n, *_ in held.values())})
    total["sent"] = sum(n for n, *_ in truth.values())
    return f"{dict(total)}, {len(held)} and {len(truth)} minutes"


class Load:
    """Sends events all the time, in a thread."""

    def __init__(self, project: Project, a_time: int = 100, pause_s: float = 0.05) -> None:
        self._project = project
        self._stop = threading.Event()
        self._a_time = a_time
        self._pause_s = pause_s
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Load:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self._pause_s):
            self._project.send(self._a_time)
