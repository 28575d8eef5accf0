"""``headrace replay``: a view built anew from the log beside the one that readers see."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Container
from contextlib import closing
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from headrace import endpoints, topology
from headrace.audit import Act
from headrace.backtest.moments import moment
from headrace.cli.audited import audited
from headrace.collector import calm
from headrace.errors import ConfigError
from headrace.replay.options import Options
from headrace.replay.run import Replay, Result
from headrace.replay.store import Comparison
from headrace.topology.model import Topology
from sinks.clickhouse.building import Building


def replay(
    view: Annotated[str, typer.Argument(help="A view of topology.yaml (clickhouse.views).")],
    begin: Annotated[
        str | None,
        typer.Option("--from", help="Leave out what was produced before: ISO 8601 (UTC), or ms."),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", help="Leave out what was produced then or later; never switched to."),
    ] = None,
    switch: Annotated[
        bool | None,
        typer.Option(
            "--switch/--no-switch",
            help="Switch whatever the comparison says, or not at all; else if nothing is lost.",
        ),
    ] = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Let readers see the version before again.")
    ] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Drop the versions that readers don't see.")
    ] = False,
    discard: Annotated[
        bool, typer.Option("--discard", help="Drop a version that is not finished.")
    ] = False,
    parallel: Annotated[
        int, typer.Option(min=1, max=64, help="Partitions read side by side.")
    ] = max(2, os.cpu_count() or 2),
    max_rate: Annotated[
        int, typer.Option(min=0, help="Most events a second, all together; 0: as many as can be.")
    ] = 0,
    rows: Annotated[
        int,
        typer.Option(min=1_000, help="Offsets inserted at once; memory is PARALLEL times that."),
    ] = 131_072,
    wait: Annotated[
        float,
        typer.Option(min=0, help="Seconds that workers may stand still, and to compare again."),
    ] = 15.0,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Build a new version of a view from the log, compare it with the old, and switch readers.

    Killed at any step, it goes on where it was when it is run again. Workers may run meanwhile.
    Exit code 1 when it is built and readers were not switched to it.
    """
    root = Path.cwd()
    declared = topology.load(root)
    _replayable(declared, view)
    chosen = [
        name
        for name, on in (("rollback", rollback), ("drop old", drop_old), ("discard", discard))
        if on
    ]
    if len(chosen) > 1:
        raise ConfigError("--rollback, --drop-old and --discard are different acts: choose one")
    where = endpoints.load(root)
    options = Options(
        begin_ms=moment("--from", begin),
        end_ms=moment("--to", end),
        parallel=parallel,
        max_rate=max_rate,
        range_rows=rows,
        wait_s=wait,
        force=switch is True,
        hold=switch is False,
    )
    details = {"do": chosen[0] if chosen else "build"}
    with (
        closing(Building(declared, view, where.clickhouse)) as store,
        audited(declared, where, Act.REPLAY, view, details) as told,
        _Told(quiet=json or bool(chosen)) as watcher,
    ):
        run = Replay(root, declared, where, view, store, options, watcher)
        if chosen:
            answer = _act(run, chosen[0])
            told |= {name: str(value) for name, value in answer.items()}
            result = None
        else:
            calm()
            result = run.run()
            answer = _answer(result, watcher)
            told |= {name: str(answer[name]) for name in ("version", "phase", "why")}
    if json:
        typer.echo(orjson.dumps(answer).decode())
    else:
        _show(view, answer, result)
    if result is not None and not result.switched:
        raise typer.Exit(1)


def _replayable(declared: Topology, name: str) -> None:
    """Raise ConfigError for what is no view, and for what replays were not made for."""
    if name in declared.clickhouse.views:
        if declared.clickhouse.engine == "replicated":
            raise ConfigError(
                "topology.yaml: clickhouse.engine: 'replicated': replay switches a view on one "
                "server; on several it would switch one after the other, which is not supported"
            )
        return
    kinds: dict[str, Container[str]] = {
        "a keyspace of Redis, which agents write to in place": declared.redis.keyspaces,
        "a raw table, which workers catch up by themselves": declared.clickhouse.tables,
        "an agent": declared.agents,
    }
    what = next((kind for kind, names in kinds.items() if name in names), "not in topology.yaml")
    views = ", ".join(declared.clickhouse.views) or "none"
    raise ConfigError(f"{name!r} is {what}; replay builds views of ClickHouse: {views}")


def _act(run: Replay, act: str) -> dict[str, Any]:
    if act == "rollback":
        left, shown = run.rollback()
        return {"left": left, "shown": shown}
    return {"dropped": run.drop_old() if act == "drop old" else run.discard()}


def _answer(result: Result, watcher: _Told) -> dict[str, Any]:
    build = result.build
    return {
        "view": build.view,
        "version": build.version,
        "before": build.before,
        "phase": build.phase.value,
        "why": result.why,
        "offsets": build.offsets,
        "copied": watcher.fresh,
        "seconds": round(watcher.seconds, 3),
        "per_second": round(watcher.fresh / watcher.seconds) if watcher.seconds else 0,
        "comparison": result.comparison.as_dict() if result.comparison else None,
    }


def _show(view: str, answer: dict[str, Any], result: Result | None) -> None:
    console = Console()
    if result is None:
        if "shown" in answer:
            text = f"Readers see version {answer['shown']} again"
        else:
            dropped = ", ".join(map(str, answer["dropped"]))
            text = f"Dropped: version {dropped}" if dropped else "Nothing to drop"
        console.print(f"{view}: {text}.", highlight=False)
        return
    if result.comparison is not None:
        console.print(_compared(result.comparison))
    copied = f"{answer['copied']:,} offsets at {answer['per_second']:,}/s"
    if result.switched:
        text = (
            f"Readers see version {answer['version']} ({answer['why']}; {copied}). Version "
            f"{answer['before']} goes on: '--rollback' goes back to it, '--drop-old' drops it."
        )
    else:
        text = (
            f"Version {answer['version']} is built ({copied}), readers were not switched: "
            f"{answer['why']}. '--switch' switches, '--discard' drops it."
        )
    console.print(f"{view}: {text}", highlight=False)


def _compared(found: Comparison) -> Table:
    table = Table(title="Compared", title_justify="left")
    for head in ("", "before", "now"):
        table.add_column(head, justify="right" if head else "left", overflow="fold")
    table.add_row("rows", f"{found.rows_before:,}", f"{found.rows_after:,}")
    for total in found.totals:
        table.add_row(f"all of {total.column}", total.before[:40], total.after[:40])
    if found.keyed:
        text = f"{found.missing:,} missing, {found.added:,} new, {found.different:,} differ"
        table.add_row(f"{found.sampled:,} rows by value", "", text)
        for example in found.examples:
            table.add_row("for example", "", example)
    return table


class _Rate(ProgressColumn):
    """Events a second since the copying began."""

    def render(self, task: Task) -> Text:
        return Text(f"{task.finished_speed or task.speed or 0:,.0f}/s", style="cyan")


class _Told:
    """The progress bar; and how much was copied, and how long that took."""

    def __init__(self, *, quiet: bool) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"), BarColumn(),
            TextColumn("{task.completed:,.0f} of {task.total:,.0f}"), _Rate(),
            TimeRemainingColumn(), console=Console(stderr=True), disable=quiet,
            speed_estimate_period=10,
        )  # fmt: skip
        self._console = None if quiet else self._progress.console
        self._task: Any = None
        self._since = 0.0
        self._lock = threading.Lock()
        self.fresh = 0
        self.seconds = 0.0

    def __enter__(self) -> _Told:
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def phase(self, text: str) -> None:
        if self._console is not None:
            self._console.print(f"{text} …", highlight=False)

    def log(self, offsets: int) -> None:
        self._task = self._progress.add_task("log", total=offsets)
        self._since = time.monotonic()

    def copied(self, offsets: int, fresh: bool) -> None:
        self._progress.advance(self._task, offsets)
        with self._lock:
            if fresh:
                self.fresh += offsets
                self.seconds = time.monotonic() - self._since
