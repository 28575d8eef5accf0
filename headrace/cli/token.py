"""``headrace token``: tokens for development."""

from __future__ import annotations

import secrets
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer

from headrace import endpoints, topology
from headrace.audit import Act, record
from headrace.audit.actor import operator
from headrace.cli.audited import copy
from headrace.errors import ConfigError, HeadraceError
from headrace.security.issuer import Issuer, local_issuer
from headrace.serve.auth.jwks import NotAKeySet, parse
from headrace.serve.auth.scopes import ALL_TENANTS, SCOPES
from headrace.topology.auth import Auth
from headrace.topology.model import Topology

READING = tuple(name for name in SCOPES if name.endswith(":read"))


def token(
    scope: Annotated[
        list[str] | None, typer.Option(help="Repeat for more; without it, all that read.")
    ] = None,
    subject: Annotated[str, typer.Option(help="Whom it is for; default: you.")] = "",
    tenant: Annotated[str | None, typer.Option(help="The tenant whose rows it shows.")] = None,
    minutes: Annotated[int, typer.Option(min=1, max=43_200, help="How long it is valid.")] = 60,
    jwks: Annotated[
        bool, typer.Option("--jwks", help="Print the public key set for serve.auth.jwks instead.")
    ] = False,
) -> None:
    """Print a token that this folder's key signs, for `headrace serve` with that key's set.

    The key is made on first use, in .headrace. Each token is recorded in the audit.
    """
    root = Path.cwd()
    issuer = local_issuer(root)
    if jwks:
        typer.echo(orjson.dumps({"keys": [issuer.jwk]}, option=orjson.OPT_INDENT_2).decode())
        return
    declared = topology.load(root)
    auth = _auth(root, declared, issuer)
    scopes = _scopes(scope, auth, tenant)
    now = int(time.time())
    claims: dict[str, Any] = {
        "iss": auth.issuer,
        "aud": auth.audience,
        "sub": subject or operator(),
        "scope": " ".join(scopes),
        "iat": now,
        "exp": now + minutes * 60,
        "jti": secrets.token_hex(8),
    }
    if tenant is not None and auth.tenant_claim is not None:
        claims[auth.tenant_claim] = tenant
    signed = issuer.sign(claims)
    _record(root, declared, claims, tenant, issuer.kid)
    typer.echo(signed)


def _auth(root: Path, declared: Topology, issuer: Issuer) -> Auth:
    auth = declared.serve.auth
    if auth is None:
        raise ConfigError(
            "topology.yaml: serve.auth is not declared, so no token is asked for; for development "
            "add serve: auth: {issuer: local, audience: headrace, jwks: jwks.json} and run "
            "'headrace token --jwks > jwks.json'"
        )
    if "://" not in auth.jwks and issuer.kid not in _names(root / auth.jwks):
        raise ConfigError(
            f"topology.yaml: serve.auth.jwks: {auth.jwks!r} does not have this folder's key, so no "
            f"token of it would be taken; for development: headrace token --jwks > {auth.jwks}"
        )
    return auth


def _names(path: Path) -> set[str]:
    try:
        return set(parse(path.read_bytes()))
    except (OSError, NotAKeySet):
        return set()  # told as the key that is missing there


def _scopes(asked: Sequence[str] | None, auth: Auth, tenant: str | None) -> list[str]:
    known = [*SCOPES, ALL_TENANTS]
    for name in asked or ():
        if name not in known:
            raise ConfigError(f"--scope {name!r}: there are {', '.join(known)}")
    if tenant is not None and auth.tenant_claim is None:
        raise ConfigError(
            f"--tenant {tenant!r}: topology.yaml declares no serve.auth.tenant_claim to put it into"
        )
    everybody = [ALL_TENANTS] if auth.tenant_claim is not None and tenant is None else []
    return list(dict.fromkeys([*(asked or READING), *everybody]))


def _record(
    root: Path, declared: Topology, claims: Mapping[str, Any], tenant: str | None, kid: str
) -> None:
    """In the audit, where there is one: a token can be made while no service runs."""
    details = {
        "scope": claims["scope"],
        "expires": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(claims["exp"])),
        "jti": claims["jti"],
        "kid": kid,
        **({} if tenant is None else {"tenant": tenant}),
    }
    try:
        where = endpoints.load(root)
        record(declared, where, Act.TOKEN_ISSUE, claims["sub"], details)
        copy(declared, where)
    except HeadraceError as error:
        typer.echo(f"headrace: the token is not recorded in the audit: {error}", err=True)
