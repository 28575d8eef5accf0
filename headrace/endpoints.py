"""Where the three services are: by environment, else as ``headrace up`` left them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import orjson

from headrace.errors import ConfigError

STATE_DIR = ".headrace"
STATE_FILE = "stack.json"
VARIABLES = {
    "kafka": "HEADRACE_KAFKA",
    "clickhouse": "HEADRACE_CLICKHOUSE",
    "redis": "HEADRACE_REDIS",
}


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Addresses of the services.

    ``kafka`` is ``host:port[,host:port]``, ``clickhouse`` an ``http(s)://[user:password@]host:port
    [/database]`` URL, ``redis`` a ``redis(s)://`` URL.
    """

    kafka: str
    clickhouse: str
    redis: str


def state_dir(root: Path | None = None) -> Path:
    """The folder that holds local services' data and state: ``.headrace`` under the project."""
    override = os.environ.get("HEADRACE_HOME")
    return Path(override) if override else (root or Path.cwd()) / STATE_DIR


def from_environment(environ: Mapping[str, str] = os.environ) -> dict[str, str]:
    """The addresses that the environment names, by service."""
    return {name: environ[var] for name, var in VARIABLES.items() if environ.get(var)}


def load(root: Path | None = None) -> Endpoints:
    """Read the addresses; raise ConfigError naming what is missing and how to get it."""
    found = from_environment()
    path = state_dir(root) / STATE_FILE
    if path.exists():
        services = orjson.loads(path.read_bytes())["services"]
        found = {name: entry["address"] for name, entry in services.items()} | found
    missing = [name for name in VARIABLES if name not in found]
    if missing:
        variables = ", ".join(VARIABLES[name] for name in missing)
        raise ConfigError(
            f"no address for {', '.join(missing)}: start the local services with 'headrace up', "
            f"or set {variables}"
        )
    return Endpoints(**{name: found[name] for name in VARIABLES})
