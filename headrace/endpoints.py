"""Where the services are: by environment, else as ``headrace up`` left them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from headrace.errors import ConfigError
from headrace.security import kafka as kafka_security
from headrace.security.address import complete
from headrace.security.secret import redacted

STATE_DIR = ".headrace"
STATE_FILE = "stack.json"
VARIABLES = {
    "kafka": "HEADRACE_KAFKA",
    "clickhouse": "HEADRACE_CLICKHOUSE",
    "redis": "HEADRACE_REDIS",
}
#: What only moving from another system needs: a PostgreSQL database, Kafka Connect's REST address.
OPTIONAL = {"postgres": "HEADRACE_POSTGRES", "connect": "HEADRACE_CONNECT"}


@dataclass(frozen=True, slots=True, repr=False)
class Endpoints:
    """Addresses of the services.

    ``kafka`` is ``host:port[,host:port]``, ``clickhouse`` an ``http(s)://[user:password@]host:port
    [/database]`` URL, ``redis`` a ``redis(s)://`` URL. Both URLs are secrets where they have a
    password; ``repr`` leaves it out. Kafka's credentials are ``headrace.security.kafka``'s.
    """

    kafka: str
    clickhouse: str
    redis: str

    def __repr__(self) -> str:
        return redacted(f"Endpoints({self.kafka!r}, {self.clickhouse!r}, {self.redis!r})")


def state_dir(root: Path | None = None) -> Path:
    """The folder that holds local services' data and state: ``.headrace`` under the project."""
    override = os.environ.get("HEADRACE_HOME")
    return Path(override) if override else (root or Path.cwd()) / STATE_DIR


def from_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The addresses that the environment names, by service."""
    variables = VARIABLES | OPTIONAL
    return {name: environ[var] for name, var in variables.items() if environ.get(var)}


def load(root: Path | None = None) -> Endpoints:
    """Read the addresses; raise ConfigError naming all that is missing or wrong."""
    given = from_environment()
    problems = _secure(given)
    found = _started(root) | given
    missing = [name for name in VARIABLES if name not in found]
    if missing:
        variables = ", ".join(VARIABLES[name] for name in missing)
        problems.append(
            f"no address for {', '.join(missing)}: start the local services with 'headrace up', "
            f"or set {variables}"
        )
    if problems:
        raise ConfigError("\n".join(problems))
    return Endpoints(**{name: found[name] for name in VARIABLES})


def optional(service: str, root: Path | None = None) -> str:
    """The address of one of OPTIONAL; raise ConfigError saying how to give it.

    That of PostgreSQL is a secret where it has a password.
    """
    given = from_environment()
    problems = _secure(given)
    if problems:
        raise ConfigError("\n".join(problems))
    address = given.get(service) or _started(root).get(service)
    if address is None:
        raise ConfigError(
            f"no address for {service}: start a local one with 'headrace up --with {service}', or "
            f"set {OPTIONAL[service]}"
        )
    return address


def _started(root: Path | None) -> dict[str, str]:
    """The addresses of what ``headrace up`` started."""
    path = state_dir(root) / STATE_FILE
    if not path.exists():
        return {}
    services = orjson.loads(path.read_bytes())["services"]
    return {name: entry["address"] for name, entry in services.items()}


def _secure(given: dict[str, str]) -> list[str]:
    """Put passwords into the URLs that the environment names; what is wrong with its security."""
    security, problems = kafka_security.read(os.environ)
    if security.protocol != "plaintext" and "kafka" not in given:
        problems.append(
            f"HEADRACE_KAFKA_SECURITY: {security.protocol!r} is set, but HEADRACE_KAFKA is not: "
            f"the local Kafka speaks plaintext"
        )
    for name in ("clickhouse", "redis", "postgres"):
        variable = (VARIABLES | OPTIONAL)[name]
        url, wrong = complete(variable, given.get(name), os.environ)
        if url is not None:
            given[name] = url
        problems += wrong
    return problems
