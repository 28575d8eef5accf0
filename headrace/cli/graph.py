"""``headrace graph``: draw the topology."""

from __future__ import annotations

from enum import Enum
from pathlib import Path
from typing import Annotated

import typer

from headrace import topology
from headrace.topology.graph import mermaid, svg


class Format(str, Enum):
    """What to draw it as."""

    MERMAID = "mermaid"
    SVG = "svg"


def graph(
    format: Annotated[Format, typer.Option(help="mermaid or svg.")] = Format.MERMAID,
    output: Annotated[Path | None, typer.Option(help="File to write instead of stdout.")] = None,
) -> None:
    """Draw topics, agents and what they fill."""
    declared = topology.load(Path.cwd())
    text = svg(declared) if format is Format.SVG else mermaid(declared)
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
