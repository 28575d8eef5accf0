"""``headrace sync status``: how the connectors are."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from headrace import endpoints
from headrace.sync.connectors import Connectors


def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the connectors and their tasks; exit code 1 if one does not run."""
    states = list(Connectors(endpoints.optional("connect", Path.cwd())).states())
    if json:
        told = [asdict(state) | {"healthy": state.healthy} for state in states]
        typer.echo(orjson.dumps(told).decode())
    else:
        table = Table("connector", "state", "tasks", "why")
        for state in states:
            table.add_row(state.name, state.connector, ", ".join(state.tasks), state.why)
        Console().print(table)
    if not all(state.healthy for state in states):
        raise typer.Exit(1)
