"""``headrace dlq list``: dead letters by cause."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import orjson
import typer

from headrace import endpoints, topology
from headrace.cli.dlq.moments import moment
from headrace.dlq.groups import Group, read_groups


def list_(
    topic: Annotated[
        str | None, typer.Argument(help="A topic of topology.yaml; all without it.")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Group dead letters by topic, step and reason; those waiting to be sent back come first.

    A record counts once, however often it was copied. 'example' is the position of one in the
    dead-letter topic, for 'headrace dlq show TOPIC POSITION'.
    """
    root = Path.cwd()
    declared = topology.load(root)
    topics = declared.topics if topic is None else [topic]
    groups = read_groups(endpoints.load(root).kafka, declared, topics)
    if json:
        shown = [{**asdict(group), "redriven": group.redriven} for group in groups]
        typer.echo(orjson.dumps(shown).decode())
    else:
        typer.echo("\n".join(map(_line, groups)) or "No dead letters.")


def _line(group: Group) -> str:
    counts = f"{group.count:,} records, {group.waiting:,} waiting, {group.redriven:,} redriven"
    again = f", {group.again:,} failed again" if group.again else ""
    return (
        f"{group.id}  {group.topic}  {group.step}  {counts}{again}\n"
        f"          {group.reason}\n"
        f"          {moment(group.first_ms)} to {moment(group.last_ms)}, "
        f"for example {group.example}: {group.example_reason}"
    )
