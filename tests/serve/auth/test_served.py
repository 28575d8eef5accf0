"""A real ``headrace serve`` that asks for tokens of ``headrace token``, and its audit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from confluent_kafka.schema_registry import SchemaRegistryClient, SchemaRegistryError
from typer.testing import CliRunner

from headrace.audit import Act
from headrace.audit.entry import Entry
from headrace.audit.log import AuditLog
from headrace.cli.main import app
from headrace.endpoints import VARIABLES, Endpoints
from headrace.errors import HeadraceError
from headrace.topology.model import Topology
from tests.audit.conftest import declare
from tests.serve.server import served


@pytest.fixture
def root(
    stack: Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: Topology
) -> Path:
    """A project on the session's services, with a key pair of its own."""
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(variable, getattr(stack, name))
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / ".headrace"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def declared(tmp_path: Path) -> Topology:
    return declare(tmp_path)


def command(*args: str, code: int = 0) -> str:
    """What a command prints, or its error."""
    result = CliRunner().invoke(app, args)
    if isinstance(result.exception, HeadraceError):
        assert code == 2, result.exception
        return str(result.exception)
    assert result.exit_code == code, (result.output, result.exception)
    return result.stdout.strip()


def secure(root: Path, **auth: Any) -> None:
    """Let the project ask for tokens."""
    path = root / "topology.yaml"
    content = yaml.safe_load(path.read_text())
    content["serve"] = {
        "auth": {"issuer": "local", "audience": "headrace", "jwks": "jwks.json", **auth}
    }
    path.write_text(yaml.safe_dump(content))


def entries(stack: Endpoints, declared: Topology, act: Act) -> list[Entry]:
    found = AuditLog(declared, stack.kafka).records()
    return [r.entry for r in found if r.entry is not None and r.entry.act == act.value]


def test_serve_takes_the_tokens_of_headrace_token_and_records_the_others(
    root: Path, stack: Endpoints, declared: Topology
) -> None:
    assert "declares no serve.auth" in command("serve", "--host", "0.0.0.0", code=2)
    assert "serve.auth is not declared" in command("token", code=2)
    secure(root, tenant_claim="tenant")
    assert "does not have this folder's key" in command("token", code=2)
    (root / "jwks.json").write_text(command("token", "--jwks"))
    key = root / ".headrace/token.key"
    assert key.stat().st_mode & 0o777 == 0o600
    assert "there are metrics:read" in command("token", "--scope", "metrics", code=2)
    mine = command("token", "--scope", "schemas:read", "--minutes", "5", "--subject", "ann")
    other = command("token", "--scope", "metrics:read", "--tenant", "acme")

    with served(root) as url:
        assert httpx.get(f"{url}/subjects").status_code == 401
        client = SchemaRegistryClient(
            {
                "url": url, "max.retries": 0, "bearer.auth.credentials.source": "STATIC_TOKEN",
                "bearer.auth.token": mine, "bearer.auth.logical.cluster": "-",
                "bearer.auth.identity.pool.id": "-",
            }
        )  # fmt: skip
        (subject,) = client.get_subjects()
        with pytest.raises(SchemaRegistryError) as caught:
            client.register_schema(subject, client.get_latest_version(subject).schema)
        assert (caught.value.http_status_code, caught.value.error_code) == (403, 403)
        assert "lacks the scope 'schemas:write'" in caught.value.error_message
        bearer = {"Authorization": f"Bearer {other}"}
        for _ in range(30):
            refused = httpx.get(f"{url}/subjects", headers=bearer)
            assert refused.headers["www-authenticate"].endswith('scope="schemas:read"')

    told = {
        (entry.actor, entry.details["reason"]): 0 for entry in entries(stack, declared, Act.ACCESS)
    }
    for entry in entries(stack, declared, Act.ACCESS):
        told[entry.actor, entry.details["reason"]] += int(entry.details["requests"])
        assert (entry.subject, entry.outcome.value) == ("serve", "refused")
    operator = next(actor for actor, _ in told if "@" in actor)
    assert told == {
        ("address 127.0.0.1", "no-token"): 1,
        ("subject ann", "forbidden"): 1,
        (operator, "forbidden"): 30,
    }
    issued = entries(stack, declared, Act.TOKEN_ISSUE)
    assert [entry.details["scope"] for entry in issued] == [
        "schemas:read tenants:all", "metrics:read",
    ]  # fmt: skip
    assert (issued[0].subject, issued[1].details["tenant"]) == ("ann", "acme")
    everything = json.dumps([entry.as_row() for entry in issued])
    assert mine.split(".")[2] not in everything


def test_a_tenant_needs_a_claim_to_be_put_into(root: Path) -> None:
    (root / "jwks.json").write_text(command("token", "--jwks"))
    secure(root)
    assert "no serve.auth.tenant_claim" in command("token", "--tenant", "acme", code=2)
    (root / ".headrace/token.key").write_text("no key")
    assert "can't be read as a private key" in command("token", "--jwks", code=2)
