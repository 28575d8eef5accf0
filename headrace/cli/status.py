"""``headrace status``: the services, and what to do about those that are not well."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console
from rich.table import Table

from headrace import stack
from headrace.stack import ServiceStatus


def show(services: list[ServiceStatus], as_json: bool) -> None:
    """Print services for people or machines."""
    if as_json:
        typer.echo(orjson.dumps([asdict(service) for service in services]).decode())
        return
    table = Table()
    for column in ("service", "address", "pid", "state", "to do"):
        table.add_column(column)
    for s in services:
        state = "[green]healthy[/]" if s.healthy else f"[red]{s.detail}[/]"
        table.add_row(s.name, s.address, str(s.pid or ""), state, s.advice)
    Console().print(table)


def status(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Ask each service whether it serves; exit code 1 when one does not."""
    services = stack.status(Path.cwd())
    show(services, json)
    if not all(service.healthy for service in services):
        raise typer.Exit(1)
