"""``headrace plan``: what ``apply`` would change."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace import endpoints, topology
from headrace.cli.apply import show, steps


def plan(
    json: Annotated[bool, typer.Option("--json", help="Print the steps as JSON.")] = False,
) -> None:
    """Compare the running Kafka and ClickHouse with the topology; exit code 1 on conflicts."""
    root = Path.cwd()
    planned = steps(root, topology.load(root), endpoints.load(root))
    show(planned, json, "would")
    if any(step.conflict for step in planned):
        raise typer.Exit(1)
