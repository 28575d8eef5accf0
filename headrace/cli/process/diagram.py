"""``headrace process diagram``: a process as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from headrace import topology
from headrace.errors import ConfigError
from headrace.process.diagram import mermaid


def diagram(
    process: Annotated[str, typer.Argument(help="A process of topology.yaml.")],
    output: Annotated[Path | None, typer.Option(help="File to write instead of stdout.")] = None,
) -> None:
    """Draw the states of a process as Mermaid."""
    processes = topology.load(Path.cwd()).processes
    if process not in processes:
        known = ", ".join(processes) or "none"
        raise ConfigError(f"process {process!r} is not in topology.yaml; there are: {known}")
    text = mermaid(processes[process])
    if output is None:
        typer.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8")
