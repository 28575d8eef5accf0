"""Topics as declared: what is missing, what differs, and creating what is missing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.errors import Transient
from headrace.security import grants
from headrace.security.link import Link
from headrace.topology.model import Topology

TIMEOUT_S = 30.0
MAX_MESSAGE_BYTES = 32 << 20
#: Dead letters are kept this many times longer than the topic's own records.
LETTERS_KEPT = 4


@dataclass(frozen=True, slots=True)
class Wanted:
    """A topic as it is to be."""

    name: str
    partitions: int
    replication: int
    config: dict[str, str]


def wanted(topology: Topology) -> Iterator[Wanted]:
    """The audit's, that of alerts, and every declared topic with its dead-letter topic."""
    yield audit_topic(topology)
    if topology.anomalies.watches:
        yield alerts_topic(topology)
    for name, topic in topology.topics.items():
        partitions = topology.partitions(name)
        replication = topic.replication or topology.defaults.replication
        hours = topic.retention_hours or topology.defaults.retention_hours
        common = {"max.message.bytes": str(MAX_MESSAGE_BYTES)}
        policy = "compact,delete" if topic.compacted else "delete"
        own = {**common, "cleanup.policy": policy, "retention.ms": str(hours * 3_600_000)}
        kept = {**common, "retention.ms": str(hours * LETTERS_KEPT * 3_600_000)}
        yield Wanted(name, partitions, replication, own)
        yield Wanted(name + topology.dead_letters.suffix, partitions, replication, kept)


def audit_topic(topology: Topology) -> Wanted:
    """Where administrative acts are recorded: one partition, kept for ever, never compacted."""
    replication = topology.defaults.replication
    config = {
        "cleanup.policy": "delete",
        "retention.ms": "-1",
        "retention.bytes": "-1",
        "min.insync.replicas": str(max(1, replication - 1)),
    }
    return Wanted(topology.audit_topic, 1, replication, config)


def alerts_topic(topology: Topology) -> Wanted:
    """Alerts: one partition, in which they have an order; kept as long as dead letters."""
    hours = topology.defaults.retention_hours * LETTERS_KEPT
    config = {"cleanup.policy": "delete", "retention.ms": str(hours * 3_600_000)}
    return Wanted(topology.alerts_topic, 1, topology.defaults.replication, config)


class Topics:
    """The broker's topics."""

    def __init__(self, bootstrap: str) -> None:
        self._link = Link(bootstrap)
        self._admin = AdminClient(self._link.settings())

    def partitions(self) -> dict[str, int]:
        """Partition counts by topic; raises Transient when the broker does not answer."""
        metadata = self._link.metadata(self._admin, TIMEOUT_S)
        return {name: len(topic.partitions) for name, topic in metadata.topics.items()}

    def create(self, topics: list[Wanted]) -> None:
        """Create topics and wait for the broker. One that is there by now is left as it is.

        Raises ConfigError where an ACL is missing.
        """
        if not topics:
            return
        news = [
            NewTopic(t.name, t.partitions, t.replication, config=dict(t.config)) for t in topics
        ]
        for name, done in self._admin.create_topics(news).items():
            try:
                done.result(TIMEOUT_S)
            except KafkaException as error:
                if error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS:
                    continue
                if error.args[0].code() == KafkaError.TOPIC_AUTHORIZATION_FAILED:
                    lacking = grants.Grant(grants.CREATE, grants.TOPIC, name)
                    raise grants.denial([lacking], self._link.security.principal) from error
                raise Transient(f"can't create topic {name!r}: {error}") from error
