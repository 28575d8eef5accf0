"""Dead letters against a real broker: none lost, and back exactly once whatever dies."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import tracemalloc
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from confluent_kafka import Message
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
)

from headrace import topology
from headrace.block import Block
from headrace.clock import ManualClock
from headrace.delivery.crash import VARIABLE
from headrace.dlq.choice import Choice
from headrace.dlq.groups import groups, read_groups
from headrace.dlq.index import Index
from headrace.dlq.letter import headers_of
from headrace.dlq.log import DeadLetterLog
from headrace.dlq.place import Place
from headrace.dlq.redrive import BATCH_RECORDS, redrive
from headrace.dlq.transaction import Returned, Sender
from headrace.errors import ConfigError, Fenced, Terminal
from headrace.frame import Bad, Frame
from headrace.headers import ATTEMPTS, REDRIVEN
from headrace.topology.model import Topology
from headrace.transport.deadletters import DeadLetterProducer
from headrace.writes import Rows, Writes
from tests.integration.commands import Commands
from tests.integration.harness import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.services]
ROOT = Path(__file__).resolve().parents[2]
PARTITIONS = 2


@dataclass
class Quiet:
    """A project with one topic and its dead-letter topic, and no workers."""

    root: Path
    kafka: str
    topology: Topology
    topic: str

    async def set_aside(self, block: Block, *bad: Bad) -> None:
        """As a worker does."""
        producer = DeadLetterProducer(self.kafka, ".dlq", ManualClock(7_000))
        try:
            await producer.send(block, bad)
        finally:
            await producer.close()

    def block(self, values: Sequence[bytes], partition: int = 0) -> Block:
        n = len(values)
        keys = [b"k%d" % (i % 5) for i in range(n)]
        own = {i: (("own", b"%d" % i),) for i in range(0, n, 2)}
        at = np.arange(n, dtype=np.int64)
        return Block(self.topic, partition, 0, max(n - 1, 0), values, at, at, keys, own)

    def letters(self) -> Index:
        with DeadLetterLog(self.kafka, f"{self.topic}.dlq") as log:
            return Index.read(log.records())

    def back(self) -> list[Message]:
        with DeadLetterLog(self.kafka, self.topic) as log:
            return list(log.records())

    def env(self) -> dict[str, str]:
        """Only Kafka is there."""
        return {
            "HEADRACE_KAFKA": self.kafka,
            "HEADRACE_CLICKHOUSE": "http://127.0.0.1:1",
            "HEADRACE_REDIS": "redis://127.0.0.1:1",
        }

    def command(self, *args: str, crash: str = "") -> subprocess.CompletedProcess[str]:
        env = {**os.environ, **self.env(), "PYTHONPATH": str(ROOT), VARIABLE: crash}
        return subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", "dlq", *args],
            cwd=self.root, env=env, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip


@pytest.fixture
def place(stack, tmp_path: Path) -> Quiet:
    topic = f"t-{uuid.uuid4().hex[:8]}"
    declared = {
        "version": 1,
        "name": f"g-{uuid.uuid4().hex[:8]}",
        "defaults": {"partitions": PARTITIONS},
        "topics": {topic: {"schema": "catalog", "key": "product_id"}},
        "agents": {
            "analytics": {
                "function": "agents.analytics:analytics",
                "reads": [topic],
                "writes": {"tables": ["catalog"]},
            }
        },
        "clickhouse": {"tables": {"catalog": {"topic": topic, "order_by": ["product_id"]}}},
    }
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    (tmp_path / "topology.yaml").write_text(json.dumps(declared))
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    news = [NewTopic(name, PARTITIONS, 1) for name in (topic, f"{topic}.dlq")]
    for created in admin.create_topics(news).values():
        created.result(30)
    return Quiet(tmp_path, stack.kafka, topology.load(tmp_path), topic)


def bad(index: int, reason: str = "got 1") -> Bad:
    return Bad(index, "decode", reason)


async def test_a_redrive_killed_anywhere_and_run_again_sends_each_once_in_order(place):
    per_partition = BATCH_RECORDS + 100
    for partition in range(PARTITIONS):
        values = [b"%d-%d" % (partition, i) for i in range(per_partition)]
        await place.set_aside(place.block(values, partition), *map(bad, range(per_partition)))
    for crash in ("redrive_fenced:1", "redrive_sent:1", "redrive_committed:1", "redrive_sent:2",
                  "redrive_sent:1"):  # fmt: skip
        assert place.command("redrive", place.topic, "--all", crash=crash).returncode == (
            -signal.SIGKILL
        )
    waiting = sum(
        group.waiting for group in read_groups(place.kafka, place.topology, [place.topic])
    )
    assert waiting == PARTITIONS * per_partition - 2 * BATCH_RECORDS
    done = place.command("redrive", place.topic, "--all", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"chosen": waiting, "sent": waiting, "left": [], "failed": []}
    back = place.back()
    for partition in range(PARTITIONS):
        values = [m.value() for m in back if m.partition() == partition]
        assert values == [b"%d-%d" % (partition, i) for i in range(per_partition)]
    again = place.command("redrive", place.topic, "--all")
    assert again.returncode == 1
    assert "no dead letter" in again.stderr
    assert len(place.back()) == len(back)
    listed = json.loads(place.command("list", place.topic, "--json").stdout)
    assert [(g["count"], g["waiting"], g["redriven"]) for g in listed] == [
        (PARTITIONS * per_partition, 0, PARTITIONS * per_partition)
    ]


async def test_what_goes_back_is_the_record_with_its_own_headers_and_where_it_was(place):
    await place.set_aside(place.block([b"\xff\x00", b"other"]), bad(0), bad(1))
    choice = Choice(origins=[Place(0, 0)])
    assert redrive(place.kafka, place.topology, place.topic, choice).sent == 1
    (message,) = place.back()
    assert (message.value(), message.key(), message.partition()) == (b"\xff\x00", b"k0", 0)
    (letter, other) = place.letters().letters
    assert headers_of(message) == [
        ("own", b"0"),
        (REDRIVEN, str(letter.place).encode()),
        (ATTEMPTS, b"1"),
    ]
    assert (letter.redriven, other.redriven) == (True, False)
    assert (letter.first_ms, letter.step, letter.reason) == (7_000, "decode", "got 1")


async def test_copies_count_and_go_back_once(place):
    block = place.block([b"a", b"b"])
    for _ in range(3):
        await place.set_aside(block, bad(0), bad(1, "got 2"))
    (group,) = read_groups(place.kafka, place.topology, [place.topic])
    assert (group.count, group.waiting) == (2, 2)
    assert [len(letter.places) for letter in place.letters().letters] == [3, 3]
    outcome = redrive(place.kafka, place.topology, place.topic, Choice(reason="got 2"))
    assert (outcome.chosen, outcome.sent) == (1, 1)
    await place.set_aside(block, bad(0), bad(1, "got 2"))  # a worker that died comes late
    assert redrive(place.kafka, place.topology, place.topic, Choice(all=True)).sent == 1
    assert [m.value() for m in place.back()] == [b"b", b"a"]


async def test_a_second_redrive_fences_the_first(place):
    await place.set_aside(place.block([b"a"]), bad(0))
    (letter,) = place.letters().letters
    batch = [Returned(letter, b"k", b"a", [])]
    first, second = (
        Sender(place.kafka, place.topology.name, place.topic, f"{place.topic}.dlq")
        for _ in range(2)
    )
    first.start()
    second.start()
    with pytest.raises(Fenced, match="another redrive"):
        first.send(batch)
    second.send(batch)
    assert [m.value() for m in place.back()] == [b"a"]


async def test_a_record_that_the_broker_refuses_stops_it_with_nothing_sent(place):
    await place.set_aside(place.block([b"a", os.urandom(5_000)]), bad(0), bad(1))
    small = ConfigEntry("max.message.bytes", "2000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, place.topic, incremental_configs=[small])
    admin = AdminClient({"bootstrap.servers": place.kafka})
    for changed in admin.incremental_alter_configs([resource]).values():
        changed.result(30)
    with pytest.raises(Terminal, match=r"refused a record.*[Mm]essage"):
        redrive(place.kafka, place.topology, place.topic, Choice(all=True))
    assert place.back() == []
    assert not any(letter.redriven for letter in place.letters().letters)
    assert (
        redrive(place.kafka, place.topology, place.topic, Choice(origins=[Place(0, 0)])).sent == 1
    )


async def test_a_dry_run_neither_sends_nor_fences(place):
    await place.set_aside(place.block([b"a"]), bad(0))
    (letter,) = place.letters().letters
    sender = Sender(place.kafka, place.topology.name, place.topic, f"{place.topic}.dlq")
    sender.start()
    outcome = redrive(place.kafka, place.topology, place.topic, Choice(all=True), dry_run=True)
    assert outcome.sent == 1
    assert place.back() == []
    sender.send([Returned(letter, b"k", b"a", [])])


def test_commands_refuse_what_can_not_be_meant_and_say_when_there_is_nothing(
    place, monkeypatch, capsys
):
    for name, value in place.env().items():
        monkeypatch.setenv(name, value)
    headrace = Commands(place.root, monkeypatch, capsys)
    for args, says in (
        (("list", "nothing"), "'nothing' is not in topology.yaml; there are: "),
        (("list", f"{place.topic}.dlq"), f"did you mean '{place.topic}'?"),
        (("show", place.topic), "say which"),
        (("show", place.topic, "17"), "position '17': write partition:offset"),
        (("show", place.topic, "--origin", "0:x"), "--origin '0:x'"),
        (("redrive", place.topic), "say which dead letters"),
        (("redrive", place.topic, "--all", "--reason", "x"), "say which dead letters"),
        (("redrive", place.topic, "--origin", "-1:2"), "--origin '-1:2'"),
        (("redrive", place.topic, "--all", "--fix", "colour = 1"), "no field 'colour'"),
    ):
        said = headrace("dlq", *args)
        assert (said.code, says in said.err) == (2, True), said
    assert headrace("dlq", "show", place.topic, "0:0").code == 1
    assert headrace("dlq", "redrive", place.topic, "--group", "00000000").code == 1
    assert headrace("dlq", "list") == (0, "No dead letters.\n", "")


def picky(frame: Frame) -> Writes:
    """An agent that can't bear some values."""
    for offset, value in zip(frame.df["_offset"], frame.df["value"], strict=True):
        if value.startswith(b"poison"):
            raise ValueError(f"poison at {offset}")
    return Writes((Rows("out", frame.df),))


async def test_one_poison_record_a_thousand_times_is_a_thousand_dead_letters(stack, tmp_path):
    pipeline = Pipeline(
        stack.kafka, tmp_path, agent=f"{__name__}:picky", dead_letters={"max_ratio": 1.0}
    )
    values = list(itertools.chain.from_iterable((b"%d" % i, b"poison") for i in range(1_000)))
    pipeline.produce(*values)
    async with pipeline.running():
        await pipeline.drained()
    assert pipeline.sink.offsets() == list(range(0, 2_000, 2))
    with DeadLetterLog(stack.kafka, f"{pipeline.topic}.dlq") as log:
        messages = list(log.records())
    assert {m.value() for m in messages} == {b"poison"}
    index = Index.read(messages)
    assert [letter.origin for letter in index.letters] == [Place(0, o) for o in range(1, 2_000, 2)]
    (group,) = groups(index.letters)
    assert (group.count, group.step) == (1_000, "agent")
    assert group.reason == "agent 'echo' raised ValueError: poison at #"
    assert {(o.agent, o.error) for o in index.letters} == {("echo", "ValueError")}


async def test_setting_aside_needs_no_memory_that_grows_with_the_records(place):
    size, count = 50_000, 500
    block = place.block([os.urandom(size)] * count)  # one object: only copies need memory
    tracemalloc.start()
    try:
        await place.set_aside(block, *map(bad, range(count)))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size * count / 4
    assert len(place.letters().letters) == count


def test_a_topic_that_does_not_exist_is_said(stack):
    with pytest.raises(ConfigError, match="headrace apply"):
        DeadLetterLog(stack.kafka, "no-such.dlq")
