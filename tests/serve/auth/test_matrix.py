"""Every route of the app × every way in which a token can be wrong."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import jwt
import pytest
import yaml
from fastapi import APIRouter, FastAPI, Security

from headrace.serve import problems
from headrace.serve.app import create
from headrace.serve.auth import Caller, calling, routes
from headrace.serve.auth.routes import Declared, declared
from headrace.serve.auth.scopes import ALL_TENANTS, SCOPES, Tenancy
from tests.serve.auth.client import ask
from tests.serve.auth.issuer import (
    AUDIENCE,
    ISSUER,
    PRIVATE,
    STRANGER,
    by_hand,
    claims,
    key_set,
    pem,
    published,
    token,
)
from tests.serve.server import project

#: Routes that anybody may ask. A new one is put here on purpose, or not at all.
PUBLIC = {"/", "/healthz", "/readyz", "/favicon.ico", "/favicon.svg", "/openapi.json", "/assets"}
Allowed = Annotated[Caller, Security(calling, scopes=["metrics:read"])]
EVERYTHING = " ".join([*SCOPES, ALL_TENANTS])


def guarded(root: Path, jwks: str) -> FastAPI:
    """The app of a project whose topology asks for tokens; tries are not counted here."""
    path = root / "topology.yaml"
    content = yaml.safe_load(path.read_text())
    content["serve"]["auth"] = {
        "issuer": ISSUER, "audience": AUDIENCE, "jwks": jwks, "tenant_claim": "tenant",
        "failures": {"per_s": 1e6, "burst": 10_000_000},
    }  # fmt: skip
    path.write_text(yaml.safe_dump(content))
    return create(root)


@pytest.fixture(scope="module", params=["url", "file"])
def app(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    root = project(tmp_path_factory.mktemp("guarded"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", str(root / ".headrace"))  # no services
        if request.param == "file":
            (root / "jwks.json").write_bytes(key_set())
            yield guarded(root, "jwks.json")
        else:
            with published() as keys:
                yield guarded(root, keys.url)


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, Declared]]:
    """Method and a path with something in its parameters, of each route that is not public."""
    for route in declared(app):
        if route.path in PUBLIC:
            continue
        for method in route.methods:
            parts = ["1" if part.startswith("{") else part for part in route.path.split("/")]
            yield method, "/".join(parts), route


def confused(algorithm: str) -> str:
    """A token signed by HMAC, with the public key as the secret."""
    made = by_hand({"alg": "HS256", "kid": algorithm}, claims(scope=EVERYTHING)).rstrip(".")
    digest = hmac.new(pem(algorithm), made.encode(), hashlib.sha256).digest()
    return f"{made}.{urlsafe_b64encode(digest).rstrip(b'=').decode()}"


#: Way of being wrong → the token, and the reason that is told. Each has all scopes.
WRONG: dict[str, tuple[Callable[[], str | None], str]] = {
    "no token": (lambda: None, "no-token"),
    "garbage": (lambda: "garbage", "malformed"),
    "three parts of garbage": (lambda: "a.b.c", "malformed"),
    "expired": (lambda: token(scope=EVERYTHING, exp=int(time.time()) - 60), "expired"),
    "not yet valid": (lambda: token(scope=EVERYTHING, nbf=int(time.time()) + 60), "not-yet-valid"),
    "another's key under a known name": (
        lambda: token(key=STRANGER, scope=EVERYTHING), "signature",
    ),
    "another's key under its own name": (
        lambda: token(key=STRANGER, kid="stranger", scope=EVERYTHING), "key",
    ),
    "another audience": (lambda: token(scope=EVERYTHING, aud="elsewhere"), "audience"),
    "no audience": (lambda: token(scope=EVERYTHING, aud=None), "claims"),
    "another issuer": (lambda: token(scope=EVERYTHING, iss="https://evil.example"), "issuer"),
    "no expiry": (lambda: token(scope=EVERYTHING, exp=None), "claims"),
    "no tenant, and not allowed all": (lambda: token(scope=" ".join(SCOPES)), "tenant"),
    "alg none": (lambda: by_hand({"alg": "none"}, claims(scope=EVERYTHING)), "algorithm"),
    "HS256 with the public RSA key": (lambda: confused("RS256"), "algorithm"),
    "HS256 with the public EC key": (lambda: confused("ES256"), "algorithm"),
    "ES256 said of an RSA signature": (
        lambda: by_hand({"alg": "ES256", "kid": "RS256"}, claims(scope=EVERYTHING), b"x" * 64),
        "algorithm",
    ),
    "another algorithm": (
        lambda: jwt.encode(claims(scope=EVERYTHING), PRIVATE["RS256"], "RS512", {"kid": "RS256"}),
        "algorithm",
    ),
}  # fmt: skip


def test_every_route_declares_a_scope_or_is_public(app: FastAPI) -> None:
    listed = list(declared(app))
    assert {route.path for route in listed if not route.scopes} <= PUBLIC
    assert len(listed) > 20
    assert all(route.scopes <= SCOPES.keys() for route in listed)
    assert {path for path in PUBLIC if path != "/assets"} == routes.PUBLIC


@pytest.mark.parametrize("way", WRONG)
async def test_a_wrong_token_is_refused_by_every_route(app: FastAPI, way: str) -> None:
    make, reason = WRONG[way]
    bad = make()
    for method, path, route in routes_of(app):
        answer = await ask(app, path, bad, method=method)
        assert answer.status == 401, (way, str(route))
        assert answer.problem["type"] == f"/problems/access-{reason}", (way, str(route))
        challenge = answer.headers["www-authenticate"]
        assert challenge.startswith('Bearer realm="headrace"')
        assert ('error="invalid_token"' in challenge) == (bad is not None)


async def test_a_token_without_the_routes_scope_is_refused_by_every_route(app: FastAPI) -> None:
    for method, path, route in routes_of(app):
        for left_out in route.scopes:
            others = " ".join({*SCOPES, ALL_TENANTS} - {left_out})
            answer = await ask(app, path, token(scope=others), method=method)
            assert answer.status == 403, (str(route), left_out)
            challenge = answer.headers["www-authenticate"]
            assert f'error="insufficient_scope", scope="{left_out}"' in challenge


async def test_a_tenants_token_opens_only_what_can_be_split_by_tenant(app: FastAPI) -> None:
    mine = token(scope=EVERYTHING, tenant="acme")
    for method, path, route in routes_of(app):
        answer = await ask(app, path, mine, method=method)
        if Tenancy.REFUSED in {SCOPES[scope].tenancy for scope in route.scopes}:
            assert answer.status == 403, str(route)
            assert answer.problem["type"] == "/problems/access-tenant"
        else:
            assert answer.status != 401, str(route)


@pytest.mark.parametrize("algorithm", PRIVATE)
async def test_a_right_token_opens_every_route(app: FastAPI, algorithm: str) -> None:
    for method, path, route in routes_of(app):
        scopes = [*route.scopes, ALL_TENANTS]
        for named in ({"scope": " ".join(scopes)}, {"scp": scopes}):
            answer = await ask(app, path, token(algorithm, **named), method=method)
            assert answer.status not in (401, 403, 429), str(route)


async def test_a_path_without_a_route_needs_a_token_too(app: FastAPI) -> None:
    assert (await ask(app, "/v1/nothing")).status == 401
    assert (await ask(app, "/assets/../v1/nothing")).status == 404
    assert (await ask(app, "/v1/nothing", token(scope=EVERYTHING))).status == 404


async def test_what_is_public_needs_none(app: FastAPI) -> None:
    assert (await ask(app, "/openapi.json")).status == 200
    document = json.loads((await ask(app, "/openapi.json")).body)
    operation = document["paths"]["/subjects/{subject}/versions"]["post"]
    assert operation["security"] == [{"token": ["schemas:read", "schemas:write"]}]


def test_an_app_with_an_unguarded_route_is_not_served() -> None:
    app, router = FastAPI(openapi_url=None, docs_url=None, redoc_url=None), APIRouter()

    @router.get("/v1/right")
    def right(who: Allowed) -> None: ...

    app.include_router(router)
    routes.check(app)

    @router.get("/v1/open")
    def forgotten() -> None: ...

    @router.get("/v1/word", dependencies=[Security(calling, scopes=["metric:read"])])
    def misspelt() -> None: ...

    app.mount("/files", FastAPI())
    with pytest.raises(RuntimeError, match="GET /v1/open: declares no scope") as caught:
        routes.check(app)
    assert "GET /v1/word: unknown scope metric:read" in str(caught.value)
    assert "any method /files: declares no scope" in str(caught.value)


async def test_a_route_outside_of_the_guard_refuses_everybody() -> None:
    app = FastAPI()
    problems.install(app)

    @app.get("/v1/metrics", dependencies=[Security(calling, scopes=["metrics:read"])])
    def metrics() -> None: ...

    assert (await ask(app, "/v1/metrics", token(scope=EVERYTHING))).status == 403
