"""``headrace watch``: the process that tells of anomalies."""

from __future__ import annotations

import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from headrace.errors import ConfigError
from headrace.watch import settings
from headrace.watch.run import Runner
from headrace.watch.settings import Target


def watch(
    event_time: Annotated[
        bool, typer.Option(help="Event time is not about now: judge by the events' own time.")
    ] = False,
    from_beginning: Annotated[
        bool, typer.Option(help="The first time, judge all that the views have.")
    ] = False,
    once: Annotated[
        bool, typer.Option(help="Judge what is complete, then stop; with --event-time.")
    ] = False,
) -> None:
    """Judge the metrics of topology.yaml's anomalies by minute, until Ctrl-C or SIGTERM.

    Alerts go to the topic <pipeline>.alerts, and to the webhook that HEADRACE_WEBHOOK_URL names.
    """
    if once and not event_time:
        raise ConfigError("--once: needs --event-time; by the clock it is known later what is in")
    target = settings.load()
    runner = Runner(Path.cwd(), target, _show, event_time, from_beginning)
    if once:
        minutes = asyncio.run(runner.once())
        typer.echo(f"{minutes:,} minutes judged")
        return
    asyncio.run(_run(runner, target))


async def _run(runner: Runner, target: Target | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    told = "no webhook" if target is None else f"the webhook at {target.host}"
    typer.echo(f"Watching; alerts go to their topic and to {told}")
    await runner.run(stop)


def _show(event: dict[str, Any]) -> None:
    at = datetime.fromtimestamp(event["judged_at"] / 1000, UTC)
    series = "; ".join(
        " ".join([s["watch"], *s["labels"].values(), f"{s['change']:+.0%}"])
        for s in event["series"]
    )
    typer.echo(
        f"{at:%Y-%m-%d %H:%M} {event['state']} {event['severity']} {event['group']} "
        f"({event['owner']}): {series}"
    )
