"""Least privilege: the roles but forget do their work with their ACLs only.

Also: no password is in anything that a command or a worker says.
"""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
import redis
import yaml

from headrace import topology
from headrace.errors import HeadraceError, Terminal
from headrace.security import grants
from headrace.security.redis import connect
from headrace.serve.readers import ClickHouseReader
from sinks.redis.errors import ERRORS, classify
from tests.cli.test_commands import ROOT, Shell, wait
from tests.security.acl import redis_rules
from tests.security.authority import Authority
from tests.security.conftest import Secured
from tests.strategies import event

pytestmark = [pytest.mark.services, pytest.mark.timeout(300)]
EVENTS = 4_000
AUTH = {"issuer": "local", "audience": "headrace", "jwks": "jwks.json"}


class Person:
    """Runs commands in a role, and keeps everything that they said."""

    said: list[str] = []  # noqa: RUF012 - of all roles together

    def __init__(self, secured: Secured, root: Path, role: str) -> None:
        self.env = secured.env(role)
        self._shell = Shell(root, root / ".headrace")

    def __call__(self, *args: str, code: int = 0, stdin: str = "", **env: str) -> str:
        out = self._shell(*args, code=code, stdin=stdin, **{**self.env, **env})
        self.err = self._shell.err
        self.said += [out, self.err]
        return out


@pytest.fixture(scope="module")
def project(secured: Secured, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project folder whose roles have the ACLs that Headrace lists, and no others."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "schemas", root / "schemas")
    shutil.copy(ROOT / "topology.yaml", root / "topology.yaml")
    declared = topology.load(root)
    for role, needs in grants.ROLES.items():
        secured.kafka.allow(f"User:{role}", needs(declared))
    yield root
    shown = [(text, secured.shown(text)) for text in Person.said]
    assert [entry for entry in shown if entry[1]] == []


@pytest.fixture
def role(secured: Secured, project: Path):
    return lambda name: Person(secured, project, name)


def test_the_pipeline_works_with_these_acls_and_only_these(secured, project, role):
    apply, worker = role("apply"), role("worker")
    worker("run", code=2)
    assert "does not exist: create it with 'headrace apply'" in worker.err
    assert "revenue_by_minute" in apply("apply")
    assert json.loads(apply("plan", "--json")) == []

    log = project / "worker.log"
    with log.open("wb") as output:
        running = subprocess.Popen(
            [sys.executable, "-m", "headrace.cli.main", "run", "--log-level", "debug"],
            cwd=project, env={**worker._shell.env, **worker.env}, stdout=output, stderr=output,
        )  # fmt: skip
    try:
        producer = role("producer")
        producer("load", "--events", str(EVENTS), "--users", "200", "--bad-ratio", "0.01",
                 "--ledger", "ledger")  # fmt: skip
        report = json.loads(
            role("reader")("verify", "--wait", "60", "--ledger", "ledger", "--json")
        )
    finally:
        running.send_signal(signal.SIGTERM)
        assert running.wait(30) == 0, log.read_text()
    Person.said.append(log.read_text())
    assert report["verified"], report
    assert report["bad_records_in_the_log"] > 0
    assert "ERROR" not in log.read_text()
    assert len(log.read_text()) > 1000  # debug: the clients' own loggers, too


def test_dead_letters_are_sent_back_with_the_acls_of_that_role(secured, project, role):
    redrive = role("redrive")
    groups = json.loads(redrive("dlq", "list", "shop.orders", "--json"))
    letters = sum(group["count"] for group in groups)
    assert letters > 0
    summary = json.loads(redrive("dlq", "redrive", "shop.orders", "--all", "--json"))
    assert summary["sent"] == letters
    assert "dlq.redrive" in redrive("audit", "list")


@contextmanager
def serving(project: Path, person: Person) -> Iterator[str]:
    """The address of a ``headrace serve`` in a role, which asks for tokens of this folder."""
    path = project / "topology.yaml"
    text = path.read_text()
    declared = yaml.safe_load(text)
    declared["serve"] = {**declared.get("serve", {}), "auth": AUTH}
    path.write_text(yaml.safe_dump(declared))
    log = project / "serve.log"
    try:
        (project / "jwks.json").write_text(person("token", "--jwks"))
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "headrace.cli.main", "serve", "--port", "0",
                 "--log-level", "info"],
                cwd=project, env={**person._shell.env, **person.env}, stdout=subprocess.PIPE,
                stderr=output, text=True,
            )  # fmt: skip
        assert process.stdout is not None
        try:
            yield process.stdout.readline().removeprefix("Serving on ").strip()
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0
            process.stdout.close()
            Person.said.append(log.read_text())
    finally:
        path.write_text(text)


def test_serve_does_all_that_it_does_with_its_acls(secured, project, role):
    serve = role("serve")
    with serving(project, serve) as url:
        scopes = ("pipeline:read", "events:write", "features:read")
        asked = [word for scope in scopes for word in ("--scope", scope)]
        bearer = {"Authorization": f"Bearer {serve('token', *asked).strip()}"}
        with httpx.Client(base_url=url, headers=bearer, timeout=60) as http:
            sample = http.get("/v1/topics/shop.orders/sample").raise_for_status().json()
            traced = http.get(f"/v1/events/{sample['event_id']}/trace").raise_for_status().json()
            assert traced["status"] == "written"
            once = {"Idempotency-Key": "roles"}
            sent = [http.post("/v1/events/platform.flags", json=event("platform.flags"),
                              headers=once).raise_for_status() for _ in range(2)]  # fmt: skip
            assert sent[0].json()["accepted"] == 1
            assert sent[0].content == sent[1].content
            assert http.get(f"/v1/features/{sample['user_id']}").status_code == 200

            def up() -> dict[str, bool]:
                seen = http.get("/v1/pipeline").raise_for_status().json()
                return {name: service["up"] for name, service in seen["services"].items()}

            wait(lambda: up() == {"kafka": True, "clickhouse": True, "redis": True}, 20)
        assert httpx.get(f"{url}/v1/pipeline").status_code == 401
        wait(lambda: '"access"' in role("redrive")("audit", "list", "--json"))


def test_reveal_and_watch_do_their_work_with_theirs(secured, project, role):
    reveal, watch = role("reveal"), role("watch")
    shown = reveal("tap", "shop.orders", "--from-beginning", "--limit", "1", "--reveal",
                   HEADRACE_MASTER_KEY="A" * 43 + "=")  # fmt: skip
    assert json.loads(shown)["order_id"]
    assert "key.use" in reveal("audit", "list")
    assert "minutes judged" in watch("watch", "--event-time", "--once", "--from-beginning")


def test_other_roles_are_told_what_they_lack(secured, project, role):
    """Each role with a command of another's, after everything exists."""
    lag, reader, producer = role("lag"), role("reader"), role("producer")
    for person, command, lacks in (
        (reader, ("produce", "shop.flags"), "Write on topic"),
        (producer, ("tap", "shop.orders"), "Read on topic 'shop.orders'"),
        (lag, ("load", "--events", "1"), "Write on topic 'shop.catalog'"),
        (lag, ("run",), "Read on group 'headrace'"),
        (producer, ("verify",), "Describe on group 'headrace'"),
    ):
        topic = ("platform.flags",) if command[0] == "produce" else command[1:]
        person(command[0], *topic, code=2)
        assert lacks in person.err
        assert "kafka-acls --add --allow-principal User:" in person.err


def test_creating_topics_without_the_acl_is_told(secured, project, role):
    path = project / "topology.yaml"
    text = path.read_text()
    try:
        path.write_text(text.replace("suffix: .dlq", "suffix: .dead"))
        apply = role("apply")
        apply("apply", code=2)
        assert "Kafka does not allow User:apply: Create on topic '" in apply.err
    finally:
        path.write_text(text)


def test_what_commands_show_of_the_addresses_has_no_password(secured, project, role):
    worker = role("worker")
    password = secured.passwords["worker"]
    whole = worker.env["HEADRACE_REDIS"].replace("worker@", f"worker:{password}@")
    for url in (whole, whole.replace("rediss", "kafka")):
        env = {"HEADRACE_REDIS": url, "HEADRACE_REDIS_PASSWORD_FILE": ""}
        worker("status", "--json", code=1, **env)
        worker("run", code=2, **env)
    (project / "password").write_text(secured.passwords["reader"])
    worker("plan", code=2, HEADRACE_KAFKA_PASSWORD_FILE=str(project / "password"))
    assert "Kafka refused the credentials (sasl_ssl, SCRAM-SHA-512, User:worker)" in worker.err
    wrong = {"HEADRACE_CLICKHOUSE_PASSWORD_FILE": str(project / "password")}
    role("apply")("plan", code=1, **wrong)
    assert "Authentication failed" in Person.said[-1]


def test_the_acls_command_lists_what_was_given(project, role):
    lines = role("worker")("acls", "worker").splitlines()
    declared = topology.load(project)
    assert lines == [g.command("User:worker") for g in grants.worker(declared)]
    assert len(json.loads(role("worker")("acls", "lag", "--principal", "User:x", "--json"))) == 13
    role("worker")("acls", "boss", code=2)


@pytest.mark.parametrize("user", ["worker", "reader", "serve", "watch"])
def test_redis_users_can_do_nothing_else(secured, user):
    """Every command that is allowed is one that was needed; keys outside the prefix are not."""
    rule = redis_rules()[user]
    assert "@" not in rule
    client = redis.Redis.from_url(
        f"rediss://{user}@{secured.redis}?ssl_ca_certs={secured.authority.ca}",
        password=secured.passwords[user],
    )
    for words in (("FLUSHALL",), ("CONFIG", "GET", "*"), ("KEYS", "*"), ("SET", "hr:x", "1"),
                  ("DEL", "hr:x"), ("EVAL", "return 1", "0"), ("ACL", "LIST")):  # fmt: skip
        if f"+{words[0].lower()}" in rule.split():
            continue  # what it may do with its own keys
        with pytest.raises(redis.exceptions.NoPermissionError):
            client.execute_command(*words)
    read = ("HGETALL", "other:x") if "+hgetall" in rule else ("HMGET", "other:x", "f")
    with pytest.raises(redis.exceptions.NoPermissionError, match="access one of the keys"):
        client.execute_command(*read)
    client.close()


async def test_redis_says_what_a_user_lacks(secured):
    """Terminal, so that the worker stops with the text instead of trying for ever."""
    url = f"rediss://{{}}@{secured.redis}/0?ssl_ca_certs={secured.authority.ca}"
    wrong, lame = "reader:wrong", f"reader:{quote(secured.passwords['reader'], safe='')}"
    for user, told in ((lame, "ACL lacks this .*'script"), (wrong, "user or password")):
        client = connect(url.format(user))
        with pytest.raises(ERRORS) as caught:
            await client.script_load("return 1")
        await client.aclose()
        found = classify(caught.value, "redis")
        assert isinstance(found, Terminal)
        assert re.search(told, str(found)), found


def test_a_server_that_somebody_else_vouches_for_is_refused(secured, tmp_path):
    """Also on a port that clickhouse-connect by itself would dial without TLS."""
    other = Authority(tmp_path / "other").ca
    with pytest.raises(HeadraceError, match=r"CERTIFICATE_VERIFY_FAILED|certificate verify failed"):
        ClickHouseReader(f"https://reader@{secured.clickhouse}?ca_cert={other}", "headrace")
    client = redis.Redis.from_url(f"rediss://reader@{secured.redis}/0?ssl_ca_certs={other}")
    with pytest.raises(redis.ConnectionError, match="certificate verify failed"):
        client.ping()
