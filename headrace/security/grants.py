"""Least privilege at Kafka: what each role needs, and asking the broker whether it has it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import AdminClient

from headrace.errors import ConfigError, Transient
from headrace.security.link import Link
from headrace.topology.model import Topology

TIMEOUT_S = 15.0
PAUSE_S = 0.2
TOPIC, GROUP, TRANSACTION = "topic", "group", "transactional-id"
READ, WRITE, CREATE, DESCRIBE = "Read", "Write", "Create", "Describe"
#: The groups that readers name and never join: librdkafka asks where the group is all the same.
TAP_GROUP, RECOUNT_GROUP, LETTERS_GROUP = "headrace-tap", "headrace-recount", "headrace-dlq"
AUDIT_GROUP, SEARCH_GROUP = "headrace-audit", "headrace-search"
ARCHIVE_GROUP = "headrace-archive"
_DENIED = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)


@dataclass(frozen=True, slots=True)
class Grant:
    """One ACL: an operation on a topic, a group or a transactional id.

    Read and Write imply Describe, Create does not.
    """

    operation: str
    resource: str
    name: str

    def __str__(self) -> str:
        return f"{self.operation} on {self.resource} {self.name!r}"

    def command(self, principal: str) -> str:
        """The arguments of Kafka's ``kafka-acls`` that add it."""
        return (
            f"kafka-acls --add --allow-principal {principal} "
            f"--operation {self.operation} --{self.resource} {self.name}"
        )


def worker(topology: Topology) -> Iterator[Grant]:
    """``headrace run``."""
    yield Grant(READ, GROUP, topology.name)
    for topic in topology.topics:
        yield Grant(READ, TOPIC, topic)
        yield Grant(WRITE, TOPIC, topic + topology.dead_letters.suffix)
    for topic in topology.emitted():
        yield Grant(WRITE, TOPIC, topic)


def producer(topology: Topology) -> Iterator[Grant]:
    """``headrace load`` and ``produce``; any producer of events."""
    for topic in topology.topics:
        yield Grant(WRITE, TOPIC, topic)


def apply(topology: Topology) -> Iterator[Grant]:
    """``headrace plan`` and ``apply``; plan alone does not need Create."""
    for topic in _with_letters(topology):
        yield Grant(DESCRIBE, TOPIC, topic)
        yield Grant(CREATE, TOPIC, topic)
    yield Grant(CREATE, TOPIC, topology.audit_topic)
    if topology.anomalies.watches:
        yield Grant(DESCRIBE, TOPIC, topology.alerts_topic)
        yield Grant(CREATE, TOPIC, topology.alerts_topic)
    yield from _recording(topology)


def lag(topology: Topology) -> Iterator[Grant]:
    """Whoever watches how far the group is."""
    yield Grant(DESCRIBE, GROUP, topology.name)
    for topic in _with_letters(topology):
        yield Grant(DESCRIBE, TOPIC, topic)


def reader(topology: Topology) -> Iterator[Grant]:
    """``headrace tap``, ``verify``, ``dlq list`` and ``show``: the log and the dead letters."""
    for group in (topology.name, TAP_GROUP, RECOUNT_GROUP, LETTERS_GROUP):
        yield Grant(DESCRIBE, GROUP, group)
    for topic in _with_letters(topology):
        yield Grant(READ, TOPIC, topic)


def reveal(topology: Topology) -> Iterator[Grant]:
    """A reader who may use ``tap --reveal``, which is recorded."""
    yield from reader(topology)
    yield from _recording(topology)


def serve(topology: Topology) -> Iterator[Grant]:
    """``headrace serve``: lag, samples and traces, events that it takes, and whom it refused."""
    for group in (topology.name, TAP_GROUP, LETTERS_GROUP):
        yield Grant(DESCRIBE, GROUP, group)
    for topic in _with_letters(topology):
        yield Grant(READ, TOPIC, topic)
    yield from producer(topology)
    yield from _recording(topology)


def redrive(topology: Topology) -> Iterator[Grant]:
    """``headrace dlq``, all of it."""
    yield Grant(DESCRIBE, GROUP, LETTERS_GROUP)
    for topic in topology.topics:
        letters = topic + topology.dead_letters.suffix
        yield Grant(READ, TOPIC, letters)
        yield Grant(WRITE, TOPIC, letters)  # the marks
        yield Grant(WRITE, TOPIC, topic)
        yield Grant(WRITE, TRANSACTION, transaction_of_redrive(topology.name, topic))
    yield from _recording(topology)


def forget(topology: Topology) -> Iterator[Grant]:
    """``headrace forget``: waits for the workers, then searches the log of persons' topics."""
    yield Grant(DESCRIBE, GROUP, topology.name)
    yield Grant(DESCRIBE, GROUP, SEARCH_GROUP)
    for topic in topology.of_persons():
        yield Grant(READ, TOPIC, topic)
        yield Grant(READ, TOPIC, topic + topology.dead_letters.suffix)
    yield from _recording(topology)


def replay(topology: Topology) -> Iterator[Grant]:
    """``headrace replay``: the log, the dead letters, and how far the workers are."""
    for group in (topology.name, ARCHIVE_GROUP, LETTERS_GROUP):
        yield Grant(DESCRIBE, GROUP, group)
    for topic in _with_letters(topology):
        yield Grant(READ, TOPIC, topic)
    yield from _recording(topology)


def watch(topology: Topology) -> Iterator[Grant]:
    """``headrace watch``: sees how far the group is, writes alerts, and reads them to a webhook."""
    yield from lag(topology)
    yield Grant(READ, TOPIC, topology.alerts_topic)
    yield Grant(WRITE, TOPIC, topology.alerts_topic)
    yield Grant(WRITE, TRANSACTION, topology.alerts_topic)
    yield Grant(READ, GROUP, watch_group(topology))


def archive(topology: Topology) -> Iterator[Grant]:
    """``headrace archive``, and whoever reads history: ``backtest``."""
    yield Grant(DESCRIBE, GROUP, ARCHIVE_GROUP)
    for topic in topology.topics:
        yield Grant(READ, TOPIC, topic)


def watch_group(topology: Topology) -> str:
    """The group that commits how far the webhook was told."""
    return f"{topology.alerts_topic}.webhook"


def transaction_of_redrive(pipeline: str, topic: str) -> str:
    """Two redrives of a topic have the same transactional id, so that one fences the other."""
    return f"{pipeline}.redrive.{topic}"


def _recording(topology: Topology) -> Iterator[Grant]:
    """To record an act in the audit, whose transactional id is the topic's name."""
    yield Grant(DESCRIBE, GROUP, AUDIT_GROUP)
    yield Grant(READ, TOPIC, topology.audit_topic)
    yield Grant(WRITE, TOPIC, topology.audit_topic)
    yield Grant(WRITE, TRANSACTION, topology.audit_topic)


#: Every role, by the name that docs/security.md uses.
ROLES: dict[str, Callable[[Topology], Iterator[Grant]]] = {
    "worker": worker,
    "producer": producer,
    "apply": apply,
    "lag": lag,
    "reader": reader,
    "reveal": reveal,
    "serve": serve,
    "redrive": redrive,
    "forget": forget,
    "replay": replay,
    "watch": watch,
    "archive": archive,
}


def _with_letters(topology: Topology) -> Iterator[str]:
    for topic in topology.topics:
        yield topic
        yield topic + topology.dead_letters.suffix


def check(bootstrap: str, needed: Iterable[Grant]) -> None:
    """Raise ConfigError that names every grant which we lack, and the commands that add them.

    A plaintext Kafka knows nobody, so it is not asked. What does not exist yet is passed over, as
    are Create, which the broker tells only of what exists, and transactional ids, of which it tells
    nothing. Raises Transient when it does not answer.
    """
    link = Link(bootstrap)
    if link.security.protocol == "plaintext":
        return
    needed = [g for g in needed if g.operation != CREATE and g.resource != TRANSACTION]
    admin = AdminClient({**link.settings(), "log_level": 0})
    link.metadata(admin, TIMEOUT_S)
    held = _held(admin, needed)
    lacking = [g for g in needed if not _covers(held.get((g.resource, g.name)), g.operation)]
    if lacking:
        raise denial(lacking, link.security.principal)


def denial(lacking: Iterable[Grant], principal: str) -> ConfigError:
    """The error that says what an administrator has to allow."""
    lines = [f"Kafka does not allow {principal}: {', '.join(map(str, lacking))}. To allow it:"]
    lines += [f"  {grant.command(principal)}" for grant in lacking]
    return ConfigError("\n".join(lines))


Held = dict[tuple[str, str], set[str] | None]


def _held(admin: AdminClient, needed: list[Grant]) -> Held:
    """A broker that has just started loads its groups first, and says so meanwhile."""
    deadline = time.monotonic() + TIMEOUT_S
    pause = threading.Event()
    while True:
        try:
            return {**_topics(admin, needed), **_groups(admin, needed)}
        except Transient:
            if time.monotonic() > deadline:
                raise
        pause.wait(PAUSE_S)


def _covers(held: set[str] | None, operation: str) -> bool:
    return held is None or operation.upper() in held


def _topics(admin: AdminClient, needed: list[Grant]) -> Held:
    names = sorted({g.name for g in needed if g.resource == TOPIC})
    if not names:
        return {}
    answers = admin.describe_topics(
        TopicCollection(names), include_authorized_operations=True, request_timeout=TIMEOUT_S
    )
    return {(TOPIC, name): _operations(answer) for name, answer in answers.items()}


def _groups(admin: AdminClient, needed: list[Grant]) -> Held:
    names = sorted({g.name for g in needed if g.resource == GROUP})
    if not names:
        return {}
    answers = admin.describe_consumer_groups(
        names, include_authorized_operations=True, request_timeout=TIMEOUT_S
    )
    return {(GROUP, name): _operations(answer) for name, answer in answers.items()}


def _operations(answer: object) -> set[str] | None:
    """What we may do with it; None when the broker does not tell, because it is not there."""
    try:
        described = answer.result(TIMEOUT_S)  # type: ignore[attr-defined]
    except KafkaException as error:
        code = error.args[0].code()
        if code in _DENIED:
            return set()
        if code in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError.GROUP_ID_NOT_FOUND):
            return None
        raise Transient(f"Kafka does not tell what we may do: {error}") from error
    operations = described.authorized_operations
    return None if operations is None else {operation.name for operation in operations}
