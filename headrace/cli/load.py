"""``headrace load``: generate events and write the ledger of what was sent."""

from __future__ import annotations

import signal
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import orjson
import typer
from pydantic import ValidationError
from rich.console import Console
from rich.live import Live
from rich.text import Text

import loadgen
from headrace import endpoints, topology
from headrace.errors import ConfigError

#: A run that ends later than planned by more than this says that it could not keep up: the last
#: acknowledgements take their time, also of a run that was never behind.
GRACE_S, GRACE_SHARE = 1.0, 0.02


def load(
    *,
    events: Annotated[
        int | None, typer.Option(help="Records to send; without it, until stopped.")
    ] = None,
    rate: Annotated[float, typer.Option(help="Records/s; 0 is as fast as it goes.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Same seed and options: same bytes.")] = 1,
    users: Annotated[int, typer.Option(help="Size of the population.")] = 50_000,
    products: Annotated[int, typer.Option(help="Size of the catalog.")] = 2_000,
    ledger: Annotated[
        Path | None, typer.Option(help="Folder for the ledger that 'headrace verify' reads.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(help="Event time of the first event, ISO 8601 or ms; default: about now."),
    ] = None,
    event_rate: Annotated[
        float | None, typer.Option(help="Records per second of event time.")
    ] = None,
    compression: Annotated[
        float, typer.Option(help="Event time passes this much faster: 3600 is an hour a second.")
    ] = 1.0,
    late_ratio: Annotated[float, typer.Option(help="Share that arrives late.")] = 0.03,
    duplicate_ratio: Annotated[float, typer.Option(help="Share that is sent again.")] = 0.005,
    bad_ratio: Annotated[float, typer.Option(help="Share of damaged records.")] = 0.0,
    days: Annotated[
        float | None, typer.Option(min=0.01, help="Spread --events over days of event time.")
    ] = None,
    incidents: Annotated[
        int, typer.Option(help="What goes wrong in the last day; the ledger says when.")
    ] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Send the simulated shop's events; Ctrl-C stops cleanly and still writes the ledger."""
    config = _config(
        events=events,
        rate=rate,
        seed=seed,
        users=users,
        products=products,
        start_ms=_start(start),
        event_rate=event_rate,
        compression=compression,
        late_ratio=late_ratio,
        duplicate_ratio=duplicate_ratio,
        bad_ratio=bad_ratio,
        incidents=incidents,
    )
    if days is not None:
        config = _over(config, days)
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    stop = threading.Event()

    def on_signal(_signum: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    if json:
        summary = loadgen.run(config, where, declared, ledger, stop=stop, root=root)
        sys.stdout.buffer.write(orjson.dumps(summary.as_dict(), option=orjson.OPT_INDENT_2) + b"\n")
        return
    console = Console()
    with Live(console=console, refresh_per_second=4, transient=True) as live:

        def show(now: loadgen.Progress) -> None:
            live.update(_line(now, rate))

        summary = loadgen.run(
            config, where, declared, ledger, on_progress=show, stop=stop, root=root
        )
    _report(console, summary, ledger)


def _config(**values: Any) -> loadgen.LoadConfig:
    try:
        return loadgen.LoadConfig(**values)
    except ValidationError as error:
        problems = "; ".join(
            f"--{'-'.join(map(str, e['loc'])).replace('_', '-')} {e['input']!r}: {e['msg']}"
            for e in error.errors()
        )
        raise ConfigError(problems) from error


def _over(config: loadgen.LoadConfig, days: float) -> loadgen.LoadConfig:
    if config.compression != 1:
        raise ConfigError("--days: --compression follows from it, leave it out")
    if config.events is None:
        raise ConfigError("--days: give --events, which are spread over them")
    return loadgen.days(config, days)


def _start(text: str | None) -> int | None:
    if text is None:
        return None
    if text.isdigit():
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(
            f"--start {text!r}: neither milliseconds nor ISO 8601, for example 2026-03-01T08:00"
        ) from error
    return int((moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() * 1000)


def _line(now: loadgen.Progress, asked: float) -> Text:
    wanted = f" of {asked:,.0f}" if asked else ""
    return Text(
        f"{now.sent:,} sent, {now.acknowledged:,} acknowledged in {now.seconds:.1f} s, "
        f"{now.rate:,.0f}{wanted} records/s"
    )


def _report(console: Console, summary: loadgen.Summary, ledger: Path | None) -> None:
    console.print(
        f"{summary.records:,} records in {summary.seconds:.1f} s: "
        f"{summary.achieved_rate:,.0f} records/s, seed {summary.seed}"
    )
    for topic, counts in summary.events.items():
        console.print(
            f"  {topic:<20} {counts['sent']:>12,}  duplicates {counts['duplicates']:,}  "
            f"bad {counts['bad']:,}"
        )
    if summary.asked_rate:
        planned = summary.records / summary.asked_rate
        kept = summary.seconds <= planned + max(GRACE_S, GRACE_SHARE * planned)
        console.print(
            f"Asked for {summary.asked_rate:,.0f} records/s, at most {summary.max_lag_ms:.0f} ms "
            f"behind schedule{'' if kept else '; could not keep up'}",
            style="" if kept else "bold red",
        )
    if ledger is not None:
        console.print(f"Ledger: {ledger}")
