"""A project whose topics take events over HTTP: the shop's, and one with private fields."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import yaml
from confluent_kafka import Consumer, Message, TopicPartition

from headrace import topology
from headrace.endpoints import Endpoints
from headrace.schema.register import register
from headrace.topics import Topics, wanted
from tests.private import project as customers
from tests.serve.server import project

#: One record of these is larger than the topic takes.
TOO_LARGE = 100_000
SMALL = "shop.sessions"


def write(root: Path, where: Endpoints) -> None:
    """The files in an empty folder, and the topics."""
    project(root)
    (root / "schemas/customers.avsc").write_text(json.dumps(customers.SCHEMA))
    declared = yaml.safe_load((root / "topology.yaml").read_text())
    declared["topics"] |= customers.TOPOLOGY["topics"]
    declared["redis"]["prefix"] = f"it{uuid.uuid4().hex[:8]}"
    (root / "topology.yaml").write_text(yaml.safe_dump(declared))
    register(root / "schemas")
    topics = list(wanted(topology.load(root)))
    for topic in topics:
        if topic.name == SMALL:
            topic.config["max.message.bytes"] = str(TOO_LARGE)
    Topics(where.kafka).create(topics)


class Log:
    """Reads single records of topics."""

    def __init__(self, kafka: str) -> None:
        settings = {"bootstrap.servers": kafka, "group.id": "test-intake"}
        self._consumer = Consumer({**settings, "fetch.wait.max.ms": 5})

    def at(self, topic: str, partition: int, offset: int) -> Message:
        """The record at a position, which must be there."""
        self._consumer.assign([TopicPartition(topic, partition, offset)])
        message = self._consumer.poll(20)
        assert message is not None
        assert message.error() is None
        assert message.offset() == offset
        return message

    def ends(self, topic: str) -> int:
        """The sum of the topic's ends: how many records were ever written."""
        found = self._consumer.list_topics(topic, timeout=20).topics[topic]
        tps = [TopicPartition(topic, partition) for partition in found.partitions]
        return sum(self._consumer.get_watermark_offsets(tp, timeout=20)[1] for tp in tps)

    def close(self) -> None:
        self._consumer.close()
