"""Every client of Kafka, by every way to log in, at a broker that takes nothing else."""

from __future__ import annotations

import time

import numpy as np
import pytest

from headrace.block import Block
from headrace.clock import SystemClock
from headrace.errors import ConfigError
from headrace.frame import Bad
from headrace.preflight import check_topics
from headrace.security import grants
from headrace.topics import Topics
from headrace.transport.deadletters import DeadLetterProducer
from tests.integration.harness import Pipeline
from tests.security.authority import Authority
from tests.security.conftest import Secured

pytestmark = pytest.mark.services
CERTIFICATE = "certificate"
WAYS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", "OAUTHBEARER", CERTIFICATE)
KAFKA = "HEADRACE_KAFKA"


def environment(secured: Secured, way: str, role: str) -> dict[str, str]:
    env = {k: v for k, v in secured.env(role, way).items() if k.startswith(KAFKA)}
    if way in (CERTIFICATE, "OAUTHBEARER"):
        for name in ("USERNAME", "PASSWORD_FILE"):
            del env[f"{KAFKA}_{name}"]
    if way == "OAUTHBEARER":
        env[f"{KAFKA}_OAUTH_TOKEN_URL"] = secured.tokens.token_url
        env[f"{KAFKA}_OAUTH_CLIENT_ID"] = role
        env[f"{KAFKA}_OAUTH_CLIENT_SECRET_FILE"] = str(secured.files[role])
    if way == CERTIFICATE:
        path = secured.authority.issue(role, key_password=secured.passwords[role])
        del env[f"{KAFKA}_SASL_MECHANISM"]
        env |= {
            KAFKA: secured.kafka.tls,
            f"{KAFKA}_SECURITY": "ssl",
            f"{KAFKA}_CERT_FILE": str(path),
            f"{KAFKA}_KEY_FILE": str(path.with_suffix(".key")),
            f"{KAFKA}_KEY_PASSWORD_FILE": str(secured.files[role]),
        }
    return env


@pytest.fixture
def log_in(secured, monkeypatch):
    """Makes this process somebody; returns the broker's address."""

    def enter(way: str = "SCRAM-SHA-512", role: str = "admin", **changed: str) -> str:
        env = environment(secured, way, role)
        env |= {f"{KAFKA}_{name}": value for name, value in changed.items()}
        for name, value in env.items():
            monkeypatch.setenv(name, value)
        return env[KAFKA]

    return enter


@pytest.mark.parametrize("way", WAYS)
async def test_a_worker_consumes_commits_and_sets_letters_aside(log_in, secured, tmp_path, way):
    bootstrap = log_in(way)
    pipeline = Pipeline(bootstrap, tmp_path)
    check_topics(bootstrap, pipeline.topology)
    pipeline.produce(*[b"%d" % i for i in range(100)])
    async with pipeline.running():
        await pipeline.drained()
    assert pipeline.sink.offsets() == list(range(100))
    letters = DeadLetterProducer(bootstrap, ".dlq", SystemClock())
    one = np.array([7], np.int64)
    try:
        await letters.send(
            Block(pipeline.topic, 0, 7, 7, [b"bad"], one, one, [b"key"]),
            [Bad(0, "decode", "no schema")],
        )
    finally:
        await letters.close()
    assert Topics(bootstrap).partitions()[f"{pipeline.topic}.dlq"] == 1
    end = secured.kafka.end(f"{pipeline.topic}.dlq")
    assert end == 1


@pytest.mark.parametrize("way", ["PLAIN", "SCRAM-SHA-256", "OAUTHBEARER"])
def test_a_wrong_password_is_told_at_once(log_in, secured, tmp_path, way):
    wrong = tmp_path / "wrong"
    wrong.write_text(secured.passwords["worker"])
    file = "OAUTH_CLIENT_SECRET_FILE" if way == "OAUTHBEARER" else "PASSWORD_FILE"
    bootstrap = log_in(way, **{file: str(wrong)})
    began = time.monotonic()
    with pytest.raises(ConfigError) as caught:
        Topics(bootstrap).partitions()
    assert time.monotonic() - began < 10
    text = str(caught.value)
    assert "Kafka refused the credentials (sasl_ssl, " in text
    assert "admin" in text
    assert secured.shown(text) == []


def test_a_broker_that_somebody_else_vouches_for_is_refused(log_in, secured, tmp_path):
    other = Authority(tmp_path / "other")
    with pytest.raises(
        ConfigError, match=r"no TLS connection to Kafka .*certificate verify failed"
    ):
        Topics(log_in(CA_FILE=str(other.ca))).partitions()


def test_missing_grants_are_named_with_the_commands_that_add_them(log_in, secured, tmp_path):
    pipeline = Pipeline(log_in(), tmp_path)
    topic, group, role = pipeline.topic, pipeline.topology.name, "User:worker"
    bootstrap = log_in(role="worker")
    with pytest.raises(ConfigError) as caught:
        check_topics(bootstrap, pipeline.topology)
    assert str(caught.value).splitlines() == [
        f"Kafka does not allow {role}: Read on group {group!r}, Read on topic {topic!r}, "
        f"Write on topic '{topic}.dlq'. To allow it:",
        f"  kafka-acls --add --allow-principal {role} --operation Read --group {group}",
        f"  kafka-acls --add --allow-principal {role} --operation Read --topic {topic}",
        f"  kafka-acls --add --allow-principal {role} --operation Write --topic {topic}.dlq",
    ]
    needed = list(grants.worker(pipeline.topology))
    secured.kafka.allow(role, needed)
    check_topics(bootstrap, pipeline.topology)
    for grant in needed:
        secured.kafka.withdraw(role, grant)
        with pytest.raises(ConfigError, match=f"User:worker: {grant}. To allow it:"):
            check_topics(bootstrap, pipeline.topology)
        secured.kafka.allow(role, [grant])
