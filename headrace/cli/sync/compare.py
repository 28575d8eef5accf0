"""``headrace sync compare``: the old system's answer and ours, side by side."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from headrace import topology
from headrace.cli.sync.sides import both
from headrace.errors import ConfigError
from headrace.sync.compare import Comparison, Difference, shown
from headrace.sync.compare import compare as compared

PAUSE_S = 1.0


def compare(
    name: Annotated[str, typer.Argument(help="An entry of sync.compare in topology.yaml.")],
    watch: Annotated[bool, typer.Option(help="Ask again until both agree.")] = False,
    wait: Annotated[
        float, typer.Option(min=0, help="With --watch: give up after so many seconds; 0: never.")
    ] = 0.0,
    examples: Annotated[int, typer.Option(min=0, help="Differences to show.")] = 10,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, a line each time.")] = False,
) -> None:
    """Compare two systems' answers to one question, by key; exit code 1 if they differ."""
    root = Path.cwd()
    declared = topology.load(root)
    asked = declared.sync.compare.get(name)
    if asked is None:
        known = ", ".join(declared.sync.compare) or "none"
        raise ConfigError(f"sync.compare has no {name!r}; declared: {known}")
    deadline = time.monotonic() + wait if wait else float("inf")
    pause = threading.Event()
    while True:
        found = compared(*both(root, declared, asked), examples)
        last = found.equal or not watch or time.monotonic() > deadline
        if json:
            typer.echo(orjson.dumps({"name": name, **found.as_dict()}).decode())
        elif last:
            _show(name, found)
        else:
            typer.echo(f"{name}: {found.differing:,} of {found.rows:,} rows differ", err=True)
        if last:
            raise typer.Exit(0 if found.equal else 1)
        pause.wait(PAUSE_S)


def _show(name: str, found: Comparison) -> None:
    console = Console()
    totals = Table(title=f"{name}: all rows", title_justify="left")
    for column in ("", "old", "new"):
        totals.add_column(column, justify="right" if column else "left")
    totals.add_row("rows", f"{found.old_rows:,}", f"{found.new_rows:,}")
    for summed in found.sums:
        totals.add_row(f"sum of {summed.name}", f"{summed.old:,}", f"{summed.new:,}")
    console.print(totals)
    if found.equal:
        console.print("[bold green]Equal[/]")
        return
    table = Table("key", "column", "old", "new", title="Differing", title_justify="left")
    for example in found.examples:
        table.add_row(", ".join(example.key), *_cells(example))
    console.print(table)
    console.print(f"[bold red]{found.differing:,} rows differ[/]")


def _cells(example: Difference) -> tuple[str, str, str]:
    return example.column or "(row)", _cell(example.old), _cell(example.new)


def _cell(value: Any) -> str:
    told = shown(value)
    if isinstance(told, dict):
        return ", ".join(f"{name}={item}" for name, item in told.items())
    return "-" if told is None else str(told)
