"""``headrace verify``: do the sinks hold what was sent?"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

import loadgen.verify as proof
from headrace import endpoints, topology
from headrace.endpoints import Endpoints
from headrace.topology.model import Topology

POLL_S = 0.5


def verify(
    ledger: Annotated[
        Path | None, typer.Option(help="Folder that 'headrace load --ledger' wrote.")
    ] = None,
    recount: Annotated[
        bool, typer.Option(help="Recount the whole log in plain Python and compare that too.")
    ] = True,
    wait: Annotated[
        float, typer.Option(min=0, help="Wait so many seconds for the pipeline to drain.")
    ] = 0.0,
    examples: Annotated[int, typer.Option(min=0, help="Differences to show a section.")] = 5,
    json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Compare ClickHouse and Redis with the ledger and with the log; exit code 1 on any difference.

    The log is decoded with fastavro and counted in plain Python, without any code of the pipeline.
    """
    root = Path.cwd()
    declared = topology.load(root)
    where = endpoints.load(root)
    behind = _drain(where, declared, wait)
    if behind:
        lines = "\n".join(f"  {tp} is {n:,} offsets behind" for tp, n in behind.items())
        typer.echo(
            f"headrace: the pipeline has not drained, so there is nothing to prove yet:\n{lines}\n"
            f"Run 'headrace run', or wait with --wait SECONDS.",
            err=True,
        )
        raise typer.Exit(1)
    report = proof.verify(root, where, declared, ledger, recount, examples)
    if json:
        typer.echo(orjson.dumps(report.as_dict()).decode())
    else:
        console = Console()
        report.show(console)
        verdict = "[bold green]Verified[/]" if report.verified else "[bold red]Not verified[/]"
        console.print(f"{verdict}: {report.compared:,} items compared, {report.differing:,} differ")
    if not report.verified:
        raise typer.Exit(1)


def _drain(where: Endpoints, declared: Topology, wait: float) -> dict[str, int]:
    """Lag by partition, after waiting at most ``wait`` seconds for it to vanish."""
    deadline = time.monotonic() + wait
    pause = threading.Event()
    while True:
        found = proof.lags(where, declared)
        behind = {str(tp): lag.behind for tp, lag in found.items() if lag.behind}
        if not behind or time.monotonic() >= deadline:
            return behind
        pause.wait(POLL_S)
