"""``headrace up``: start the local services."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace import stack
from headrace.cli.status import show


def up(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Start Kafka, Redis and ClickHouse on free ports of this machine, data under .headrace/.

    HEADRACE_KAFKA, HEADRACE_CLICKHOUSE and HEADRACE_REDIS replace the local service they name.
    """
    root = Path.cwd()
    stack.up(root)
    show(stack.status(root), json)
