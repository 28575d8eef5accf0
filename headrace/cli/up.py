"""``headrace up``: start the local services."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from headrace import stack
from headrace.cli.services import table


def up(
    with_: Annotated[
        str, typer.Option("--with", help="Others to start: postgres, connect (by commas).")
    ] = "",
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Start Kafka, Redis and ClickHouse on free ports of this machine, data under .headrace/.

    HEADRACE_KAFKA, HEADRACE_CLICKHOUSE and HEADRACE_REDIS replace the local service they name, and
    so do HEADRACE_POSTGRES and HEADRACE_CONNECT.
    """
    root = Path.cwd()
    stack.up(root, extra=[name.strip() for name in with_.split(",") if name.strip()])
    services = stack.status(root)
    if json:
        typer.echo(orjson.dumps([asdict(service) for service in services]).decode())
    else:
        Console().print(table(services))
