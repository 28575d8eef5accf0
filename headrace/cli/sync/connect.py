"""``headrace sync connect``: deploy connectors to Kafka Connect."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import endpoints, topology
from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.errors import ConfigError
from headrace.sync.connectors import Connectors


def connect(
    files: Annotated[list[Path], typer.Argument(help="As those in deploy/connect.")],
    wait: Annotated[float, typer.Option(min=0, help="Seconds until each must run.")] = 60.0,
) -> None:
    """Check each file's connector, deploy it under the file's name, and wait until it runs."""
    root = Path.cwd()
    connectors = Connectors(endpoints.optional("connect", root))
    declared, where = topology.load(root), endpoints.load(root)
    for name, config in [(file.stem, _config(file)) for file in files]:
        with audited(declared, where, Act.SYNC_CONNECT, name):
            state = connectors.put(name, config, wait)
        typer.echo(f"{state.name}: {state.connector}, tasks: {', '.join(state.tasks)}")


def _config(file: Path) -> dict[str, str]:
    try:
        config = orjson.loads(file.read_bytes())
    except OSError as error:
        raise ConfigError(f"{str(file)!r}: {error.strerror}") from error
    except orjson.JSONDecodeError as error:
        raise ConfigError(f"{str(file)!r}: not JSON: {error}") from error
    if not isinstance(config, dict) or "connector.class" not in config:
        raise ConfigError(f"{str(file)!r}: not a connector's configuration: no 'connector.class'")
    return config
