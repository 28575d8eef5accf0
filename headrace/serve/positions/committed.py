"""The group's committed offsets: every record before them is applied in all sinks."""

from __future__ import annotations

from collections.abc import Sequence

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaTP

from headrace.errors import Transient
from headrace.security.link import Link
from headrace.topology.model import Topology

TIMEOUT_S = 2.0


class Committed:
    """Asks the group's coordinator; never joins the group. To be called from one thread."""

    def __init__(self, topology: Topology, bootstrap: str) -> None:
        self._partitions = [
            KafkaTP(topic, partition)
            for topic in topology.topics
            for partition in range(topology.partitions(topic))
        ]
        self._consumer = Consumer(
            {
                **Link(bootstrap).settings(),
                "group.id": topology.name,
                "enable.auto.commit": False,
                "log_level": 0,  # what matters is raised
            }
        )

    def read(self) -> dict[str, Sequence[int]]:
        """Next offsets by topic, 0 where nothing was committed; raises Transient."""
        try:
            answer = self._consumer.committed(self._partitions, timeout=TIMEOUT_S)
        except KafkaException as error:
            raise Transient(f"kafka: can't read the group's offsets: {error}") from error
        found: dict[str, list[int]] = {}
        for entry in answer:
            if entry.error is not None:
                raise Transient(f"kafka: can't read the group's offsets: {entry.error}")
            found.setdefault(entry.topic, []).append(max(0, entry.offset))
        return dict(found)

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()
