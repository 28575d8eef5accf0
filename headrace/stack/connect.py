"""Kafka Connect in distributed mode, one worker, with Debezium's connector for PostgreSQL."""

from __future__ import annotations

import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

from headrace.stack import maven
from headrace.stack.service import Command

HEAP = "512m"

#: As deploy/connect/worker.properties, for one broker and one worker that may be killed any time.
PROPERTIES = """\
bootstrap.servers={kafka}
group.id=headrace-connect
listeners=http://127.0.0.1:{port}
rest.advertised.host.name=127.0.0.1
exactly.once.source.support=enabled
config.storage.topic=headrace-connect-configs
offset.storage.topic=headrace-connect-offsets
status.storage.topic=headrace-connect-status
config.storage.replication.factor=1
offset.storage.replication.factor=1
offset.storage.partitions=1
status.storage.replication.factor=1
status.storage.partitions=1
key.converter=org.apache.kafka.connect.json.JsonConverter
value.converter=org.apache.kafka.connect.json.JsonConverter
config.providers=env
config.providers.env.class=org.apache.kafka.common.config.provider.EnvVarConfigProvider
config.providers.env.param.allowlist.pattern=PG(HOST|PORT|DATABASE|USER|PASSWORD)
scheduled.rebalance.max.delay.ms=0
session.timeout.ms=6000
heartbeat.interval.ms=1000
producer.max.request.size=33554432
producer.compression.type=lz4
"""


class Connect:
    """See ``stack.service.Service``.

    Connectors' files name the database by libpq's variables (``${env:PGHOST}``), which the worker
    gets from the address of PostgreSQL.
    """

    name = "connect"
    ports = 1
    patience_s = 120.0

    def __init__(self, kafka: str, postgres: str = "") -> None:
        self._kafka = kafka
        self._postgres = postgres

    def address(self, ports: tuple[int, ...]) -> str:
        return f"http://127.0.0.1:{ports[0]}"

    def prepare(self, data: Path, ports: tuple[int, ...]) -> Command:
        java = maven.java(self.name)
        classpath = f"{maven.jars(self.name)}/*"
        data.mkdir(parents=True, exist_ok=True)
        properties = data / "worker.properties"
        properties.write_text(PROPERTIES.format(kafka=self._kafka, port=ports[0]), encoding="utf-8")
        argv = [java, f"-Xmx{HEAP}", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"]
        argv += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        argv += ["-cp", classpath, "org.apache.kafka.connect.cli.ConnectDistributed"]
        return Command([*argv, str(properties)], data, _variables(self._postgres))

    def answers(self, address: str) -> str | None:
        # Of its own state: /connectors is answered only once the worker is in its group.
        try:
            with urllib.request.urlopen(f"{address}/connectors", timeout=5) as answer:
                return None if answer.status == 200 else f"HTTP {answer.status}"
        except (urllib.error.URLError, OSError) as error:
            return str(error)


def _variables(address: str) -> dict[str, str]:
    """libpq's variables for an address, none for none."""
    if not address:
        return {}
    url = urlsplit(address)
    return {
        "PGHOST": url.hostname or "localhost",
        "PGPORT": str(url.port or 5432),
        "PGDATABASE": url.path.lstrip("/"),
        "PGUSER": unquote(url.username or ""),
        "PGPASSWORD": unquote(url.password or ""),
    }
