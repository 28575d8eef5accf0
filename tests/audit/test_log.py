"""The audit topic on a real broker: writers at once, killed ones, and hands in the topic."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.audit import Act, Outcome, record, recorded
from headrace.audit.chain import Anchor, unfinished, verify
from headrace.audit.entry import Entry, Facts
from headrace.audit.log import AuditLog
from headrace.clock import ManualClock
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError, Terminal
from headrace.topology.model import Topology
from tests.audit.conftest import declare
from tests.audit.test_chain import KEY, rebuilt

FACTS = Facts("apply", "ann@here", "shop", Outcome.DONE, {"steps": "none"})
WRITER = """
import sys
from pathlib import Path
from headrace import topology
from headrace.audit import Act, record
from headrace.endpoints import Endpoints

declared = topology.load(Path.cwd())
where = Endpoints(sys.argv[1], "", "")
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(sys.argv[3])):
    record(declared, where, Act.APPLY, sys.argv[2], {"number": str(number)})
"""
KILLED = """
import sys
from pathlib import Path
from headrace import topology
from headrace.audit import Act, recorded
from headrace.endpoints import Endpoints

with recorded(topology.load(Path.cwd()), Endpoints(sys.argv[1], "", ""), Act.FORGET, "someone"):
    print("begun", flush=True)
    sys.stdin.readline()
"""


def process(code: str, *args: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", code, *args], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def put(stack: Endpoints, topic: str, values: Sequence[bytes]) -> None:
    """As somebody would who has a producer and no Headrace."""
    producer = Producer({"bootstrap.servers": stack.kafka})
    for value in values:
        producer.produce(topic, value, partition=0)
    assert producer.flush(30) == 0


def entries(log: AuditLog) -> list[Entry]:
    return [r.entry for r in log.records() if r.entry is not None]


def test_entries_continue_each_other_and_keep_what_was_said(stack: Endpoints, declared: Topology):
    clock = ManualClock(1_000)
    log = AuditLog(declared, stack.kafka, clock=clock)
    assert log.records() == []
    first = log.append(FACTS)
    clock.advance(1)
    second = log.append(FACTS)
    assert entries(log) == [first, second]
    assert (first.time_ms, second.time_ms, second.previous) == (1_000, 2_000, first.hash)
    assert verify(log.records()) == []
    assert first.details == {"steps": "none"}


def test_processes_that_record_at_once_make_one_chain(stack: Endpoints, declared: Topology):
    each, names = 6, ("one", "two", "three")
    writers = {name: process(WRITER, stack.kafka, name, str(each)) for name in names}
    for writer in writers.values():
        assert writer.stdout.readline() == b"ready\n"
    for writer in writers.values():
        writer.stdin.write(b"go\n")
        writer.stdin.close()
    assert [writer.wait(60) for writer in writers.values()] == [0, 0, 0]
    log = AuditLog(declared, stack.kafka)
    assert verify(log.records()) == []
    found = entries(log)
    assert [e.sequence for e in found] == list(range(1, 3 * each + 1))
    for name in names:
        assert [e.details["number"] for e in found if e.subject == name] == list("012345")


def test_an_act_killed_with_9_is_told_to_have_no_outcome(stack: Endpoints, declared: Topology):
    victim = process(KILLED, stack.kafka)
    assert victim.stdout.readline() == b"begun\n"
    victim.kill()
    victim.wait()
    log = AuditLog(declared, stack.kafka)
    with recorded(declared, stack, Act.APPLY, "shop"):
        pass
    assert verify(log.records()) == []
    (open_,) = unfinished(log.records())
    assert (open_.act, open_.subject, open_.sequence) == ("forget", "someone", 1)


def test_a_writer_that_stopped_in_its_transaction_is_fenced(stack: Endpoints, declared: Topology):
    log = AuditLog(declared, stack.kafka)
    log.append(FACTS)
    stopped = Producer({"bootstrap.servers": stack.kafka, "transactional.id": log.topic})
    stopped.init_transactions(30)
    stopped.begin_transaction()
    stopped.produce(log.topic, b"its entry", partition=0)
    stopped.flush(30)
    log.append(FACTS)
    with pytest.raises(KafkaException):
        stopped.commit_transaction(30)
    assert [r.problem for r in log.records()] == ["", ""]
    assert verify(log.records()) == []


def test_outcomes_say_how_an_act_ended(stack: Endpoints, declared: Topology):
    with recorded(declared, stack, Act.APPLY, "shop", {"file": "x"}, actor="till") as told:
        told["steps"] = "2"
    with pytest.raises(ConfigError), recorded(declared, stack, Act.APPLY, "shop"):
        raise ConfigError("no \udcff" + "!" * 5_000)
    record(declared, stack, Act.ACCESS, "/v1/users", outcome=Outcome.REFUSED, actor="bob")
    found = entries(AuditLog(declared, stack.kafka))
    assert [(e.outcome.value, e.intent) for e in found] == [
        ("intended", 0), ("done", 1), ("intended", 0), ("failed", 3), ("refused", 0),
    ]  # fmt: skip
    assert (found[0].details, found[1].details) == ({"file": "x"}, {"steps": "2"})
    assert found[0].actor == "till"
    assert found[3].details["error"].startswith("ConfigError: no \\udcff!")
    assert len(found[3].details["error"]) == 2_000


def test_a_topic_copied_without_an_entry_is_found(
    stack: Endpoints, declared: Topology, tmp_path: Path
):
    original = AuditLog(declared, stack.kafka)
    made = [original.append(FACTS) for _ in range(4)]
    (tmp_path / "other").mkdir()
    copied = AuditLog(declare(tmp_path / "other"), stack.kafka)
    copied.ensure()
    put(stack, copied.topic, [e.encode() for e in made if e.sequence != 2])
    (fault,) = verify(copied.records())
    assert str(fault) == "entry 3: entry 2 is missing before it"


def test_a_topic_whose_chain_was_made_anew_is_found_by_the_anchor(
    stack: Endpoints, declared: Topology, tmp_path: Path
):
    original = AuditLog(declared, stack.kafka)
    made = [original.append(FACTS) for _ in range(4)]
    anchor = Anchor(topic=original.topic, sequence=3, hash=made[2].hash)
    (tmp_path / "other").mkdir()
    copied = AuditLog(declare(tmp_path / "other"), stack.kafka)
    copied.ensure()
    put(stack, copied.topic, [e.encode() for e in rebuilt(made)])
    assert verify(copied.records()) == []
    (fault,) = verify(copied.records(), None, anchor)
    assert "computed anew" in fault.what


def test_rubbish_in_the_topic_is_told_and_stops_nobody(stack: Endpoints, declared: Topology):
    log = AuditLog(declared, stack.kafka)
    first = log.append(FACTS)
    put(stack, log.topic, [b"rubbish"] * 100)  # more than one look at the end covers
    assert log.append(FACTS).sequence == 2
    put(stack, log.topic, [first.encode()])
    assert log.append(FACTS).sequence == 3
    faults = verify(log.records())
    assert len(faults) == 101
    assert str(faults[0]).startswith("offset 2: is not an entry: ")
    assert str(faults[-1]) == "entry 1: stands behind entry 2: moved, repeated or inserted"


def test_a_signed_chain_goes_on_signed(stack: Endpoints, declared: Topology):
    AuditLog(declared, stack.kafka, KEY).append(FACTS)
    with pytest.raises(ConfigError, match="HEADRACE_AUDIT_KEY"):
        AuditLog(declared, stack.kafka).append(FACTS)
    AuditLog(declared, stack.kafka, KEY).append(FACTS)
    assert verify(AuditLog(declared, stack.kafka).records(), KEY) == []


def test_a_topic_with_several_partitions_is_refused(stack: Endpoints, declared: Topology):
    log = AuditLog(declared, stack.kafka)
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    admin.create_topics([NewTopic(log.topic, 2, 1)])[log.topic].result(30)
    with pytest.raises(Terminal, match="2 partitions"):
        log.append(FACTS)
