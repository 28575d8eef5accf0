"""``headrace process show``: one instance and how it came there."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from headrace.cli.dlq.moments import moment
from headrace.cli.process.opened import opened
from headrace.serve.instances import Transition


def show(
    process: Annotated[str, typer.Argument(help="A process of topology.yaml.")],
    instance: Annotated[str, typer.Argument(help="The instance: the key of the process's topic.")],
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print all transitions of an instance, with what was sent; exit code 1 if there is none."""
    with opened(process) as project:
        found = project.instances.history(instance)
    if json:
        typer.echo(orjson.dumps([asdict(one) for one in found]).decode())
    else:
        typer.echo("\n".join(map(_lines, found)) or f"No transition of {instance!r}.")
    if not found:
        raise typer.Exit(1)


def _lines(one: Transition) -> str:
    word = ", stuck" if one.stuck else ""
    head = f"{one.sequence:>4}  {moment(one.at_ms)}  {one.from_state} → {one.to_state}{word}"
    sent = "".join(f"\n        sent {key}" for key in one.commands)
    return f"{head}\n        on {one.on} ({one.cause}){sent}"
