"""What stands before the routes: tries, rates, headers, other origins, and who may listen."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import yaml
from fastapi import FastAPI

from headrace import topology
from headrace.errors import ConfigError
from headrace.serve.app import create
from tests.serve.auth.client import Answer, ask
from tests.serve.auth.issuer import AUDIENCE, ISSUER, key_set, token
from tests.serve.server import project
from tests.stack.nobody import nobody_listens

PATH = "/subjects"
SCOPE = "schemas:read"


def declare(root: Path, **serve: Any) -> Path:
    """A project that declares this under serve."""
    project(root)
    path = root / "topology.yaml"
    content = yaml.safe_load(path.read_text())
    content["serve"].update(serve)
    path.write_text(yaml.safe_dump(content))
    (root / "jwks.json").write_bytes(key_set())
    return root


def auth(**more: Any) -> dict[str, Any]:
    return {"issuer": ISSUER, "audience": AUDIENCE, "jwks": "jwks.json", **more}


@pytest.fixture(autouse=True)
def no_services(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEADRACE_HOME", str(tmp_path / "none"))


async def statuses(app: FastAPI, times: int, **asked: Any) -> list[int]:
    return [(await ask(app, PATH, **asked)).status for _ in range(times)]


async def test_tries_are_counted_by_address_and_cost_those_with_a_known_token_nothing(
    tmp_path: Path,
) -> None:
    app = create(declare(tmp_path, auth=auth(failures={"per_s": 0.01, "burst": 3})))
    good = token(scope=SCOPE)
    assert (await ask(app, PATH, good)).status == 200
    assert await statuses(app, 5, token="guess") == [401, 401, 401, 429, 429]
    assert (await ask(app, PATH)).headers["retry-after"] == "100"
    assert (await ask(app, PATH, good)).status == 200
    assert (await ask(app, PATH, address="198.51.100.8")).status == 401, "another address"
    assert (await ask(app, "/openapi.json")).status == 200


async def test_each_subject_has_a_rate_of_its_own(tmp_path: Path) -> None:
    app = create(declare(tmp_path, auth=auth(), rate_limits={"per_s": 0.01, "burst": 2}))
    ann, bob = (token(scope=SCOPE, sub=who) for who in ("ann", "bob"))
    first = await ask(app, PATH, ann)
    assert first.headers["ratelimit"] == '"client";r=1;t=100'
    assert first.headers["ratelimit-policy"] == '"client";q=2;w=200'
    assert await statuses(app, 2, token=token(scope=SCOPE, sub="ann", jti="2")) == [200, 429]
    refused = await ask(app, PATH, ann, address="198.51.100.8")
    assert refused.status == 429
    assert refused.problem["type"] == "/problems/too-many-requests"
    assert (await ask(app, PATH, bob)).status == 200


async def test_without_auth_each_address_has_one(tmp_path: Path) -> None:
    app = create(declare(tmp_path, rate_limits={"per_s": 0.01, "burst": 1}))
    assert await statuses(app, 2) == [200, 429]
    assert await statuses(app, 1, address="198.51.100.8") == [200]


async def test_an_issuer_that_is_away_is_not_the_callers_fault(tmp_path: Path) -> None:
    jwks = f"http://127.0.0.1:{nobody_listens()}/jwks"
    app = create(declare(tmp_path, auth=auth(jwks=jwks)))
    answer = await ask(app, PATH, token(scope=SCOPE))
    assert answer.status == 503
    assert answer.problem["type"] == "/problems/issuer-unavailable"
    assert answer.headers["retry-after"] == "10"


@pytest.mark.parametrize(
    ("value", "reason"),
    [("Basic YW5uOnB3", "malformed"), ("Bearer", "malformed"), ("bearer  ", "malformed")],
)
async def test_other_ways_to_log_in(tmp_path: Path, value: str, reason: str) -> None:
    app = create(declare(tmp_path, auth=auth()))
    answer = await ask(app, PATH, authorization=value)
    assert (answer.status, answer.problem["type"]) == (401, f"/problems/access-{reason}")
    assert (await ask(app, PATH, authorization=f"bEARER {token(scope=SCOPE)}")).status == 200


def browsers(answer: Answer) -> None:
    """What every answer tells browsers."""
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"


async def test_every_answer_tells_browsers_what_a_page_may_do(tmp_path: Path) -> None:
    app = create(declare(tmp_path, auth=auth(), cors={"origins": ["https://shop.example"]}))
    good = token(scope=SCOPE)
    for answer in (
        await ask(app, PATH),
        await ask(app, PATH, good),
        await ask(app, "/nothing", good),
        await ask(app, "/"),
        await ask(app, PATH, method="OPTIONS", origin="https://shop.example"),
    ):
        browsers(answer)
        assert "strict-transport-security" not in answer.headers
    assert "strict-transport-security" in (await ask(app, PATH, scheme="https")).headers


async def test_only_declared_origins_may_ask_from_a_browser(tmp_path: Path) -> None:
    app = create(declare(tmp_path, auth=auth(), cors={"origins": ["https://shop.example"]}))
    asked = {
        "access_control_request_method": "GET",
        "access_control_request_headers": "authorization",
    }
    preflight = await ask(app, PATH, method="OPTIONS", origin="https://shop.example", **asked)
    assert preflight.status == 200, "a preflight brings no token"
    assert preflight.headers["access-control-allow-origin"] == "https://shop.example"
    assert "access-control-allow-credentials" not in preflight.headers
    other = await ask(app, PATH, method="OPTIONS", origin="https://evil.example", **asked)
    assert other.status == 400
    assert "access-control-allow-origin" not in other.headers
    refused = await ask(app, PATH, origin="https://shop.example")
    assert refused.status == 401
    assert refused.headers["access-control-allow-origin"] == "https://shop.example"


async def test_refusals_without_an_audit_are_logged_without_the_token(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """No service runs: the request is answered, and the log says what the audit lacks."""
    app = create(declare(tmp_path, auth=auth()))
    secret = token(aud="elsewhere")
    messages: list[dict[str, Any]] = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]

    async def receive() -> dict[str, Any]:
        return messages.pop(0)

    async def send(message: Any) -> None:
        if message["type"] == "lifespan.startup.complete":
            assert (await ask(app, PATH, secret)).status == 401

    with caplog.at_level(logging.WARNING):
        await app({"type": "lifespan", "asgi": {"version": "3.0"}}, receive, send)
    assert "Refused access is not recorded in the audit yet: no address for kafka" in caplog.text
    assert secret.rpartition(".")[2] not in caplog.text


def test_without_auth_only_this_machine_is_served(tmp_path: Path) -> None:
    root = declare(tmp_path)
    create(root, host="localhost")
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        with pytest.raises(ConfigError, match=r"add serve: auth: .* or listen on 127\.0\.0\.1"):
            create(root, host=host)


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({}, 200),
        ({"host": "127.0.0.1:8081"}, 200),
        ({"host": "localhost"}, 200),
        ({"host": "[::1]:8081", "origin": "http://[::1]:8081"}, 200),
        ({"host": "127.0.0.1", "origin": "https://shop.example"}, 200),
        ({"host": "rebound.example"}, 403),
        ({"host": "127.0.0.1.rebound.example:8081"}, 403),
        ({"host": "[", "origin": "http://127.0.0.1"}, 403),
        ({"host": "127.0.0.1", "origin": "https://evil.example"}, 403),
        ({"host": "127.0.0.1", "origin": "null"}, 403),
    ],
)
async def test_without_auth_no_other_sites_page_is_answered(
    tmp_path: Path, sent: dict[str, str], status: int
) -> None:
    app = create(declare(tmp_path, cors={"origins": ["https://shop.example"]}))
    assert (await ask(app, PATH, **sent)).status == status


def test_with_auth_others_are(tmp_path: Path) -> None:
    create(declare(tmp_path, auth=auth()), host="0.0.0.0")


@pytest.mark.parametrize(
    ("document", "told"),
    [
        (None, r"No such file.*headrace token --jwks > jwks\.json"),
        (b"[]", "expected a JSON Web Key Set"),
        (b"{", "is not JSON"),
        (b'{"keys": []}', "has no RSA key"),
    ],
)
def test_a_key_sets_file_is_checked_at_the_start(
    tmp_path: Path, document: bytes | None, told: str
) -> None:
    root = declare(tmp_path, auth=auth())
    (root / "jwks.json").unlink()
    if document is not None:
        (root / "jwks.json").write_bytes(document)
    with pytest.raises(ConfigError, match=r"topology\.yaml: serve\.auth\.jwks: 'jwks\.json': "):
        create(root)
    with pytest.raises(ConfigError, match=told):
        create(root)


@pytest.mark.parametrize(
    ("serve", "path", "told"),
    [
        ({"auth": auth(jwks="http://issuer.example/jwks")}, "serve.auth.jwks", "write https://"),
        ({"auth": auth(jwks="ftp://issuer.example/jwks")}, "serve.auth.jwks", "write https://"),
        ({"auth": auth(algorithms=["HS256"])}, "serve.auth.algorithms", "'RS256' or 'ES256'"),
        ({"auth": auth(algorithms=["none"])}, "serve.auth.algorithms", "'RS256' or 'ES256'"),
        ({"auth": auth(algorithms=[])}, "serve.auth.algorithms", "at least 1"),
        ({"auth": auth(isuer="x")}, "serve.auth.isuer", "did you mean 'issuer'"),
        ({"cors": {"origins": ["*"]}}, "serve.cors.origins", "matches"),
        ({"rate_limits": {"per_s": 0, "burst": 1}}, "serve.rate_limits.per_s", "greater than 0"),
    ],
)
def test_wrong_declarations_are_told(
    tmp_path: Path, serve: dict[str, Any], path: str, told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        topology.load(declare(tmp_path, **serve))
    assert path in str(caught.value)
    assert told in str(caught.value)
