"""Addresses of ClickHouse, Redis, PostgreSQL: URLs with a user, TLS options and a password."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlsplit, urlunsplit

from headrace.security.secret import redacted
from headrace.security.variables import Variables

#: Options of the clients that name files: clickhouse-connect's, then redis-py's.
FILES = ("ca_cert", "client_cert", "client_cert_key", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
CLICKHOUSE = ("http", "https")
POSTGRES = ("postgresql", "postgres")
REDIS = (
    "redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster",
    "rediss+cluster",
)  # fmt: skip


def complete(
    variable: str, url: str | None, environ: Mapping[str, str]
) -> tuple[str | None, list[str]]:
    """The URL with the password of ``<variable>_PASSWORD`` or ``_PASSWORD_FILE`` in it.

    ``url`` is None where the environment names none. Second comes what is wrong, with nothing
    secret in it.
    """
    found = Variables(variable, environ)
    found.refuse_unknown(("PASSWORD", "PASSWORD_FILE"))
    password = found.secret("PASSWORD")
    if url is None:
        for suffix in found.given(("PASSWORD", "PASSWORD_FILE")):
            found.wrong(suffix, f"is set, but {variable} is not")
        return None, found.problems
    try:
        wrong = _wrong(variable, url)
    except ValueError as error:  # urlsplit's; its text does not quote the URL
        wrong = f"not a URL ({error}): write what is special in a password as %40 for '@'"
    if wrong:
        found.problems.append(f"{variable}: {redacted(url)!r}: {wrong}")
    elif password is not None:
        parts = urlsplit(url)
        user, at, hosts = parts.netloc.rpartition("@")
        if ":" in user:
            found.problems.append(
                f"{variable}: has a password, and {variable}_PASSWORD(_FILE) names another"
            )
        elif not at and parts.scheme.startswith(("http", "postgres")):
            found.problems.append(f"{variable}: names no user for the password: write user@host")
        quoted = quote(password.reveal(), safe="")
        url = urlunsplit(parts._replace(netloc=f"{user}:{quoted}@{hosts}"))
    return url, found.problems


def _wrong(variable: str, url: str) -> str | None:
    parts = urlsplit(url)
    known = {"CLICKHOUSE": CLICKHOUSE, "POSTGRES": POSTGRES}.get(variable.rpartition("_")[2], REDIS)
    if parts.scheme not in known:
        return f"unknown scheme {parts.scheme!r}; use one of {', '.join(known)}"
    if "@" in parts.path or "@" in parts.fragment:
        return "'/', '?' and '#' in a user or password are written as %2F, %3F and %23"
    options = dict(parse_qsl(parts.query))
    files = [name for name in FILES if name in options]
    if files and not parts.scheme.startswith(("https", "rediss")):
        return f"{files[0]} is for TLS: write https:// or rediss"
    for name in files:
        if not Path(options[name]).is_file():
            return f"{name}: there is no file {options[name]!r}"
    return None


def clickhouse_options(url: str) -> dict[str, Any]:
    """What clickhouse-connect is given to dial a URL.

    From a URL alone it takes TLS for ports 443 and 8443 only, whatever the scheme says, and would
    send the password in clear to any other port.
    """
    return {"dsn": url, "interface": urlsplit(url).scheme}
