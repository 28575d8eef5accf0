"""Who we are to Kafka, and whom we trust: by environment, for all clients alike."""

from __future__ import annotations

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from headrace.errors import ConfigError
from headrace.security.secret import Secret
from headrace.security.variables import Variables

PREFIX = "HEADRACE_KAFKA"
PROTOCOLS = ("plaintext", "ssl", "sasl_plaintext", "sasl_ssl")
OAUTH = "OAUTHBEARER"
MECHANISMS = ("PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", OAUTH)

_USER = ("USERNAME", "PASSWORD", "PASSWORD_FILE")
_TOKEN = (
    "OAUTH_TOKEN_URL",
    "OAUTH_CLIENT_ID",
    "OAUTH_CLIENT_SECRET",
    "OAUTH_CLIENT_SECRET_FILE",
    "OAUTH_SCOPE",
)
_SASL = ("SASL_MECHANISM", *_USER, *_TOKEN)
_TLS = ("CA_FILE", "CERT_FILE", "KEY_FILE", "KEY_PASSWORD", "KEY_PASSWORD_FILE")
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True, slots=True)
class Tls:
    """Whom we trust (None: whom the system trusts), and the certificate that names us."""

    ca: Path | None = None
    certificate: Path | None = None
    key: Path | None = None
    key_password: Secret | None = None

    def context(self) -> ssl.SSLContext:
        """For clients on Python's ssl: the server's certificate and name are checked."""
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate is not None:
            password = self.key_password.reveal() if self.key_password else ""
            # The function keeps OpenSSL from asking for a pass phrase on the terminal.
            context.load_cert_chain(self.certificate, self.key, lambda: password)
        return context


@dataclass(frozen=True, slots=True)
class User:
    """A name with its password, for PLAIN and SCRAM."""

    name: str
    password: Secret


@dataclass(frozen=True, slots=True)
class TokenSource:
    """Where tokens come from, for OAUTHBEARER: the client credentials grant of OAuth 2."""

    url: str
    client_id: str
    client_secret: Secret
    scope: str


@dataclass(frozen=True, slots=True)
class KafkaSecurity:
    """Protocol and credentials. ``tls`` is there with ``ssl`` and ``sasl_ssl``; ``mechanism`` with
    ``sasl_*``, with a ``user`` or, for OAUTHBEARER, ``tokens``."""

    protocol: str = "plaintext"
    tls: Tls | None = None
    mechanism: str | None = None
    user: User | None = None
    tokens: TokenSource | None = None

    @property
    def principal(self) -> str:
        """How messages call us. What the broker makes of a certificate or token, it decides."""
        if self.user is not None:
            return f"User:{self.user.name}"
        if self.tokens is not None:
            return f"the owner of OAuth client {self.tokens.client_id!r}"
        if self.tls is not None and self.tls.certificate is not None:
            return f"the owner of certificate {self.tls.certificate.name!r}"
        return "User:ANONYMOUS"


def from_environment(environ: Mapping[str, str] = os.environ) -> KafkaSecurity:
    """Read ``HEADRACE_KAFKA_*``; raises ConfigError with all that is wrong."""
    security, problems = read(environ)
    if problems:
        raise ConfigError("\n".join(problems))
    return security


def read(environ: Mapping[str, str]) -> tuple[KafkaSecurity, list[str]]:
    """What the environment says, and what is wrong with it."""
    found = Variables(PREFIX, environ)
    found.refuse_unknown(("SECURITY", *_SASL, *_TLS))
    protocol = found.choice("SECURITY", PROTOCOLS, PROTOCOLS[0])
    tls = _tls(found) if protocol.endswith("ssl") else None
    if tls is None:
        _idle(found, _TLS, f"with security {protocol!r} there is no TLS; use ssl or sasl_ssl")
    if not protocol.startswith("sasl"):
        _idle(found, _SASL, f"with security {protocol!r} nobody logs in; use sasl_ssl")
        return KafkaSecurity(protocol, tls), found.problems
    mechanism = found.choice("SASL_MECHANISM", MECHANISMS, "")
    user = tokens = None
    if mechanism == OAUTH:
        tokens = _token_source(found)
        _idle(found, _USER, f"{OAUTH} takes an OAuth client")
    elif mechanism:
        user = _user(found)
        _idle(found, _TOKEN, f"{mechanism} takes a user and a password")
    return KafkaSecurity(protocol, tls, mechanism, user, tokens), found.problems


def _idle(found: Variables, suffixes: tuple[str, ...], why: str) -> None:
    for suffix in found.given(suffixes):
        found.wrong(suffix, f"is set, but {why}, or unset it")


def _tls(found: Variables) -> Tls:
    tls = Tls(
        found.file("CA_FILE"),
        found.file("CERT_FILE"),
        found.file("KEY_FILE"),
        found.secret("KEY_PASSWORD"),
    )
    if tls.ca is not None:
        try:
            ssl.create_default_context(cafile=tls.ca)
        except ssl.SSLError:
            found.wrong("CA_FILE", f"{str(tls.ca)!r} holds no certificates in PEM form")
            return tls
    given = found.given(("CERT_FILE", "KEY_FILE"))
    if len(given) == 1:
        found.wrong(given[0], "a certificate and its key come together: set the other one, too")
    if not given:
        _idle(found, ("KEY_PASSWORD", "KEY_PASSWORD_FILE"), "there is no key: set KEY_FILE")
    if tls.certificate is not None and tls.key is not None:
        try:
            tls.context()
        except ssl.SSLError as error:
            found.wrong(
                "KEY_FILE",
                f"{str(tls.key)!r} is not the key of {str(tls.certificate)!r}, not in PEM form, "
                f"or has another pass phrase ({error.reason or error})",
            )
    return tls


def _user(found: Variables) -> User | None:
    password = found.secret("PASSWORD")
    if not found.text("USERNAME"):
        found.wrong("USERNAME", "is missing")
    if password is None and not found.given(("PASSWORD", "PASSWORD_FILE")):
        found.wrong("PASSWORD_FILE", f"is missing (or {found.name('PASSWORD')})")
    return None if password is None else User(found.text("USERNAME"), password)


def _token_source(found: Variables) -> TokenSource | None:
    for suffix in ("OAUTH_TOKEN_URL", "OAUTH_CLIENT_ID"):
        if not found.text(suffix):
            found.wrong(suffix, "is missing")
    secret = found.secret("OAUTH_CLIENT_SECRET")
    if secret is None and not found.given(("OAUTH_CLIENT_SECRET", "OAUTH_CLIENT_SECRET_FILE")):
        found.wrong("OAUTH_CLIENT_SECRET_FILE", "is missing")
    url = found.text("OAUTH_TOKEN_URL")
    parts = urlsplit(url)
    if url and parts.scheme != "https" and parts.hostname not in _LOOPBACK:
        found.wrong(
            "OAUTH_TOKEN_URL", "must begin with https://: the client's secret is sent there"
        )
    if secret is None:
        return None
    return TokenSource(url, found.text("OAUTH_CLIENT_ID"), secret, found.text("OAUTH_SCOPE"))
