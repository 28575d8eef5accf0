"""Putting the guard, CORS and the security headers before an app."""

from __future__ import annotations

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from headrace.audit import Act, Outcome, record
from headrace.clock import SystemClock
from headrace.errors import ConfigError
from headrace.serve.auth import routes
from headrace.serve.auth.address import is_loopback
from headrace.serve.auth.guard import Checks, Guard
from headrace.serve.auth.headers import SecurityHeaders
from headrace.serve.auth.jwks import NotAKeySet, parse
from headrace.serve.auth.keys import Keys
from headrace.serve.auth.limits import Buckets
from headrace.serve.auth.neighbours import Neighbours
from headrace.serve.auth.refusals import Refusals, Write
from headrace.serve.auth.source import source
from headrace.serve.auth.tokens import Tokens
from headrace.serve.context import Context
from headrace.topology.auth import Cors

_ASKED = ["Authorization", "Content-Type", "Idempotency-Key", "If-None-Match"]
_SHOWN = [
    "ETag", "X-Headrace-Position", "WWW-Authenticate", "Retry-After", "RateLimit",
    "RateLimit-Policy",
]  # fmt: skip


def install(app: FastAPI, context: Context, host: str) -> None:
    """Guard an app that has all its routes, which is going to listen on ``host``.

    Raises ConfigError when others could reach it without a token, or when the key set's file is
    none; RuntimeError when a route declares no scope.
    """
    routes.check(app)
    serving = context.topology.serve
    if serving.auth is None and not is_loopback(host):
        raise ConfigError(
            f"--host {host}: topology.yaml declares no serve.auth, so whoever reaches this "
            f"address could read everything: add serve: auth: {{issuer: …, audience: …, jwks: …}} "
            f"(docs/auth.md), or listen on 127.0.0.1"
        )
    clock = SystemClock()
    tokens = failures = None
    if serving.auth is not None:
        if "://" not in serving.auth.jwks:
            _check_file(context, serving.auth.jwks)
        keys = Keys(source(context.root, serving.auth.jwks), serving.auth.refresh_s, clock)
        tokens = Tokens(serving.auth, keys, clock)
        failures = Buckets(serving.auth.failures, clock)
    limits = None if serving.rate_limits is None else Buckets(serving.rate_limits, clock)
    # The last one added is the outermost: a browser's question about CORS brings no token.
    neighbours, refusals = Neighbours(serving.cors), Refusals(_writer(context))
    app.add_middleware(Guard, Checks(tokens, failures, neighbours, limits, refusals))
    if serving.cors is not None:
        _allow(app, serving.cors)
    app.add_middleware(SecurityHeaders)


def _allow(app: FastAPI, cors: Cors) -> None:
    app.add_middleware(
        CORSMiddleware,
        allow_origins=cors.origins,
        allow_methods=["GET", "HEAD", "POST"],
        allow_headers=_ASKED,
        expose_headers=_SHOWN,
    )


def _check_file(context: Context, name: str) -> None:
    path = context.root / name
    where = f"topology.yaml: serve.auth.jwks: {name!r}"
    try:
        keys = parse(path.read_bytes())
    except OSError as error:
        raise ConfigError(
            f"{where}: {error.strerror}; for development: headrace token --jwks > {name}"
        ) from error
    except NotAKeySet as error:
        raise ConfigError(f"{where}: {error}; expected a JSON Web Key Set") from error
    if not keys:
        raise ConfigError(f"{where}: has no RSA key of 2048 bits and no P-256 key for signatures")


def _writer(context: Context) -> Write:
    def write(client: str, reason: str, count: int) -> None:
        details = {"reason": reason, "requests": str(count)}
        record(
            context.topology, context.endpoints, Act.ACCESS, "serve", details, Outcome.REFUSED,
            actor=client,
        )  # fmt: skip

    return write
