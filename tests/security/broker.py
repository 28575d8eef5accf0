"""A Kafka that lets nobody in without TLS and credentials, and allows nobody anything unasked."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterable
from pathlib import Path

from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from headrace.security.grants import Grant
from headrace.stack import maven
from headrace.stack.kafka import PROPERTIES, cluster_id
from headrace.stack.process import Running, spawn, tail
from headrace.stack.state import free_ports
from tests.security.authority import Authority
from tests.security.tokens import AUDIENCE, ISSUER, TokenServer
from tests.sinks.redis_servers import until

#: Kafka takes the last of two values.
SECURED = """\
listeners=SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=SASL_SSL://127.0.0.1:{sasl},SSL://127.0.0.1:{tls}
listener.security.protocol.map=CONTROLLER:SSL,SSL:SSL,SASL_SSL:SASL_SSL
inter.broker.listener.name=SSL
ssl.client.auth=required
ssl.keystore.type=PEM
ssl.keystore.location={keystore}
ssl.truststore.type=PEM
ssl.truststore.location={ca}
ssl.principal.mapping.rules=RULE:^CN=([^,]+)$/$1/,DEFAULT
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:broker;User:admin
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER
{jaas}.plain.sasl.jaas.config={modules}.plain.PlainLoginModule required {plain};
{jaas}.scram-sha-256.sasl.jaas.config={modules}.scram.ScramLoginModule required;
{jaas}.scram-sha-512.sasl.jaas.config={modules}.scram.ScramLoginModule required;
{jaas}.oauthbearer.sasl.jaas.config={modules}.oauthbearer.OAuthBearerLoginModule required;
{jaas}.oauthbearer.sasl.server.callback.handler.class=\
{modules}.oauthbearer.OAuthBearerValidatorCallbackHandler
{jaas}.oauthbearer.sasl.oauthbearer.jwks.endpoint.url={keys}
{jaas}.oauthbearer.sasl.oauthbearer.expected.audience={audience}
{jaas}.oauthbearer.sasl.oauthbearer.expected.issuer={issuer}
"""
JAAS, MODULES = "listener.name.sasl_ssl", "org.apache.kafka.common.security"
ALLOWED = "-Dorg.apache.kafka.sasl.oauthbearer.allowed.urls"


class SecuredKafka:
    """One broker. ``sasl`` and ``tls`` are its addresses; users are names with passwords."""

    def __init__(
        self, folder: Path, authority: Authority, users: dict[str, str], tokens: TokenServer
    ) -> None:
        sasl, tls, controller = free_ports(3)
        self.sasl, self.tls = f"127.0.0.1:{sasl}", f"127.0.0.1:{tls}"
        self.ca = authority.ca
        self._log = folder / "kafka.log"
        certificate = authority.issue("broker")
        folder.mkdir(parents=True, exist_ok=True)
        keystore = folder / "broker.pem"
        keystore.write_text(certificate.with_suffix(".key").read_text() + certificate.read_text())
        plain = " ".join(f'user_{name}="{password}"' for name, password in users.items())
        properties = folder / "server.properties"
        common = PROPERTIES.format(broker=sasl, controller=controller, logs=folder / "logs")
        own = SECURED.format(
            sasl=sasl, tls=tls, controller=controller, keystore=keystore, ca=self.ca, jaas=JAAS,
            modules=MODULES, plain=plain, keys=tokens.keys_url, audience=AUDIENCE, issuer=ISSUER,
        )  # fmt: skip
        properties.write_text(common + own)
        java, classpath = maven.java("kafka"), f"{maven.jars('kafka')}/*"
        tool = [java, "-XX:TieredStopAtLevel=1", "-cp", classpath, "kafka.tools.StorageTool"]
        tool += ["format", "-t", cluster_id(uuid.uuid4), "-c", str(properties)]
        for name, password in users.items():
            for mechanism in ("SCRAM-SHA-256", "SCRAM-SHA-512"):
                tool += ["--add-scram", f"{mechanism}=[name={name},password={password}]"]
        done = subprocess.run(tool, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        argv = [java, "-Xmx512m", "-Xms256m", "-XX:+UseG1GC", "-XX:TieredStopAtLevel=1"]
        argv += ["-Dorg.slf4j.simpleLogger.defaultLogLevel=warn"]
        argv += [f"{ALLOWED}={tokens.keys_url}", "-cp", classpath, "kafka.Kafka", str(properties)]
        self._running: Running = spawn(argv, self._log, {}, True, folder)
        self._login = {
            "bootstrap.servers": self.sasl,
            "security.protocol": "sasl_ssl",
            "ssl.ca.location": str(self.ca),
            "sasl.mechanism": "SCRAM-SHA-512",
            "sasl.username": "admin",
            "sasl.password": users["admin"],
            "log_level": 0,
        }
        self.admin = AdminClient(self._login)
        until("the secured Kafka answers", self._answers, 60.0)

    def _answers(self) -> bool:
        assert self._running.process() is not None, tail(self._log, 40)
        try:
            return bool(self.admin.list_topics(timeout=1.0).brokers)
        except Exception:
            return False

    def end(self, topic: str) -> int:
        """The next offset of a topic's first partition."""
        consumer = Consumer({**self._login, "group.id": "look"})
        try:
            return int(consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=10)[1])
        finally:
            consumer.close()

    def allow(self, principal: str, grants: Iterable[Grant]) -> None:
        """Add ACLs."""
        bindings = [_binding(principal, grant) for grant in grants]
        for done in self.admin.create_acls(bindings).values():
            done.result(30)

    def withdraw(self, principal: str, grant: Grant) -> None:
        """Take one ACL away."""
        b = _binding(principal, grant)
        wanted = AclBindingFilter(
            b.restype, b.name, b.resource_pattern_type, b.principal, b.host, b.operation,
            b.permission_type,
        )  # fmt: skip
        (done,) = self.admin.delete_acls([wanted]).values()
        assert len(done.result(30)) == 1, grant

    def close(self) -> None:
        self._running.stop()


def _binding(principal: str, grant: Grant) -> AclBinding:
    return AclBinding(
        ResourceType[grant.resource.upper().replace("-", "_")],
        grant.name,
        ResourcePatternType.LITERAL,
        principal,
        "*",
        AclOperation[grant.operation.upper()],
        AclPermissionType.ALLOW,
    )
