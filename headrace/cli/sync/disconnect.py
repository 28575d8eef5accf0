"""``headrace sync disconnect``: take a connector away."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace import endpoints, topology
from headrace.audit import Act
from headrace.cli.audited import audited
from headrace.sync.connectors import Connectors


def disconnect(
    name: Annotated[str, typer.Argument(help="A connector, see 'headrace sync status'.")],
) -> None:
    """Take a connector away. Drop its slot in PostgreSQL then, or that keeps the log for ever."""
    root = Path.cwd()
    connectors = Connectors(endpoints.optional("connect", root))
    with audited(topology.load(root), endpoints.load(root), Act.SYNC_DISCONNECT, name):
        connectors.delete(name)
    typer.echo(f"{name} is gone. Now drop its slot: SELECT pg_drop_replication_slot('…');")
