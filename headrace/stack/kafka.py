"""Apache Kafka, one KRaft node, jars by Maven."""

from __future__ import annotations

import subprocess
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from headrace.errors import ConfigError
from headrace.stack import maven
from headrace.stack.service import Command

HEAP = "768m"

PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=PLAINTEXT://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{broker}
controller.listener.names=CONTROLLER
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs={logs}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=8
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
message.max.bytes=33554432
replica.fetch.max.bytes=33554432
log.cleaner.backoff.ms=1000
"""


class Kafka:
    """See ``stack.service.Service``."""

    name = "kafka"
    ports = 2
    patience_s = 60.0

    def address(self, ports: tuple[int, ...]) -> str:
        return f"127.0.0.1:{ports[0]}"

    def prepare(self, data: Path, ports: tuple[int, ...]) -> Command:
        java = maven.java(self.name)
        classpath = f"{maven.jars(self.name)}/*"
        logs = data / "logs"
        data.mkdir(parents=True, exist_ok=True)
        properties = data / "server.properties"
        properties.write_text(
            PROPERTIES.format(broker=ports[0], controller=ports[1], logs=logs), encoding="utf-8"
        )
        if not (logs / "meta.properties").exists():
            tool = [java, "-cp", classpath, "kafka.tools.StorageTool", "format"]
            tool += ["-t", cluster_id(uuid.uuid4), "-c", str(properties)]
            done = subprocess.run(tool, capture_output=True, text=True, check=False)
            if done.returncode:
                raise ConfigError(f"kafka: formatting {logs} failed: {done.stderr.strip()[-500:]}")
        argv = [java, f"-Xmx{HEAP}", "-Xms256m", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20"]
        # The second compiler takes 8 CPU seconds of a broker's first half minute, which is most of
        # what a laptop or a test run sees of it: half of what everything else is measured by.
        argv.append("-XX:TieredStopAtLevel=1")
        argv += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        argv += ["-cp", classpath, "kafka.Kafka", str(properties)]
        return Command(argv, data)

    def answers(self, address: str) -> str | None:
        admin = AdminClient({"bootstrap.servers": address, "log_level": 0})
        try:
            metadata = admin.list_topics(timeout=1.0)
        except KafkaException as error:
            return str(error)
        return None if metadata.brokers else "no broker has registered yet"


def cluster_id(random: Callable[[], uuid.UUID]) -> str:
    """A random id as Kafka writes them: base64url, never with a dash in front.

    As Kafka's own Uuid.randomUuid: the command line would take the dash for an option.
    """
    while True:
        text = urlsafe_b64encode(random().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text
