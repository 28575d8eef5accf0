"""``headrace process list``: instances that have not ended."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Annotated

import orjson
import typer

from headrace.cli.dlq.moments import moment
from headrace.cli.process.opened import opened
from headrace.serve.instances import Instance

LIMIT = 1_000


def list_(
    process: Annotated[str, typer.Argument(help="A process of topology.yaml.")],
    stuck: Annotated[
        bool, typer.Option("--stuck", help="Only those that nothing leads on.")
    ] = False,
    idle: Annotated[
        float | None,
        typer.Option(min=0, help="Only those without a transition for so many seconds."),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many.")] = LIMIT,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List instances under way, the longest idle first; with --stuck exit code 1 if there are."""
    before = None if idle is None else round((time.time() - idle) * 1_000)
    with opened(process) as project:
        found = project.instances.open_(stuck=stuck, before_ms=before, limit=limit)
    if json:
        typer.echo(orjson.dumps([asdict(one) for one in found]).decode())
    else:
        typer.echo("\n".join(map(_line, found)) or "None.")
    if stuck and found:
        raise typer.Exit(1)


def _line(one: Instance) -> str:
    word = "  stuck" if one.stuck else ""
    return f"{one.instance}  {one.state}  since {moment(one.since_ms)}{word}"
