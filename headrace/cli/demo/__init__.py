"""``headrace demo``: services, workers, load, a live view, and at the end the proof."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import orjson
import typer
from rich.console import Console

from headrace.cli.demo.report import describe
from headrace.cli.demo.session import Plan, play


def demo(
    events: Annotated[
        int | None, typer.Option(min=1, help="Send this many, then drain, verify and exit.")
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(min=0, help="Events/s; 0 is as fast as it goes. [5000, or 0 with --events]"),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, help="Worker processes.")] = 1,
    users: Annotated[int, typer.Option(min=6, help="Users in the population.")] = 50_000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the generator.")] = 1,
    recount: Annotated[
        bool, typer.Option(help="Also recount the whole log in plain Python.")
    ] = True,
    json: Annotated[Path | None, typer.Option(help="Write the figures to this file.")] = None,
) -> None:
    """Run everything on this machine until Ctrl-C (or for --events), then verify.

    Works on services of its own under .headrace/demo, fresh each time, unless HEADRACE_KAFKA,
    HEADRACE_CLICKHOUSE or HEADRACE_REDIS name others. Exit code 1 when anything differs.
    """
    console = Console()
    if rate is None:
        rate = 5_000.0 if events is None else 0.0
    plan = Plan(
        root=Path.cwd(),
        events=events,
        rate=rate,
        workers=workers,
        users=users,
        seed=seed,
        recount=recount,
    )
    report = play(plan, console)
    describe(report, console)
    if json is not None:
        json.write_bytes(orjson.dumps(report, option=orjson.OPT_INDENT_2))
        console.print(f"Figures written to {json}")
    if not report["verified"]:
        raise typer.Exit(1)
