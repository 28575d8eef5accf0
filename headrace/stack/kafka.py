"""Apache Kafka, one KRaft node, jars by Maven."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from headrace.errors import ConfigError
from headrace.stack.service import Command

JAVA = 17
HEAP = "768m"
INSTALL = "install Java 17 or newer and Maven (Debian: apt-get install openjdk-17-jdk maven)"

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


def cache_dir() -> Path:
    """Where downloaded jars are kept for all projects: ``HEADRACE_CACHE`` or the user's cache."""
    named = os.environ.get("HEADRACE_CACHE")
    if named:
        return Path(named)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "headrace"


class Kafka:
    """See ``stack.service.Service``."""

    name = "kafka"
    ports = 2
    patience_s = 60.0

    def address(self, ports: tuple[int, ...]) -> str:
        return f"127.0.0.1:{ports[0]}"

    def prepare(self, data: Path, ports: tuple[int, ...]) -> Command:
        java = _java()
        classpath = f"{_jars()}/*"
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


def _java() -> str:
    java = shutil.which("java")
    if java is None:
        raise ConfigError(f"kafka: there is no 'java' on the PATH: {INSTALL}")
    output = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(?:1\.)?(\d+)', output)
    if version is None or int(version[1]) < JAVA:
        found = output.strip().splitlines()[0] if output.strip() else "nothing readable"
        raise ConfigError(f"kafka: 'java -version' says {found!r}: {INSTALL}")
    return java


def _jars() -> Path:
    """The folder with Kafka's jars, filled by Maven the first time."""
    pom = files("headrace.stack").joinpath("jars/pom.xml").read_text(encoding="utf-8")
    version = re.search(r"<kafka\.version>(.*?)</kafka\.version>", pom)
    assert version is not None
    target = cache_dir() / f"kafka-{version[1]}"
    if target.exists():
        return target
    maven = shutil.which("mvn")
    if maven is None:
        raise ConfigError(f"kafka: there is no 'mvn' on the PATH: {INSTALL}")
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        (Path(folder) / "pom.xml").write_text(pom, encoding="utf-8")
        done = subprocess.run(
            [maven, "-q", "-B", "dependency:copy-dependencies", "-DoutputDirectory=jars"],
            cwd=folder, capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            raise ConfigError(f"kafka: Maven can't get the jars: {done.stdout.strip()[-800:]}")
        try:
            (Path(folder) / "jars").rename(target)
        except OSError:
            if not target.exists():  # else somebody else was quicker
                raise
    return target
