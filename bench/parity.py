"""``python -m bench.parity``: every view streamed, and again from the log and from the archive.

The events are late, out of order, sent twice and damaged, as the generator makes them. Streamed is
what a worker wrote to ClickHouse. Two others are evaluated offline over history: from the log
alone, and from the archive with a log that retention has taken the older half of. Of the same
history every view is replayed (``headrace replay``), and the declared ones are evaluated in Polars.
All tables of a view must be equal to the last decimal.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
from confluent_kafka import TopicPartition as KafkaTP
from confluent_kafka.admin import AdminClient
from rich.console import Console
from rich.table import Table

import loadgen
import loadgen.verify
from bench.__main__ import machine, services
from bench.others import share_of_others
from bench.process import ROOT
from headrace import topology
from headrace.archive.archiver import Archiver
from headrace.archive.cut import Cut
from headrace.archive.history import History
from headrace.archive.log import Log
from headrace.archive.reader import Archive
from headrace.backtest.difference import Difference, compare
from headrace.backtest.filling import fill
from headrace.backtest.frames import Frames
from headrace.backtest.moments import Stretch
from headrace.cli.apply import apply_all
from headrace.cli.backtest.views import DeclaredView
from headrace.clock import SystemClock
from headrace.collector import calm
from headrace.endpoints import Endpoints
from headrace.topology.model import Topology
from headrace.workers import Workers
from loadgen import LoadConfig
from sinks.clickhouse import contents
from sinks.clickhouse.offline import OfflineViews

Tables = Mapping[str, pl.DataFrame]
#: Seconds for the workers to apply a million events.
PATIENCE_S = 120.0
#: Event time that the events are spread over, and how late one in twenty is on average.
SPAN_S, LATE_S = 6 * 3_600, 300.0
ALL_TIMES = Stretch("occurred_at")


def run(
    events: int,
    console: Console,
    *,
    seed: int = 1,
    rows_per_file: int = 1_000_000,
    replays: Collection[str] | None = None,
) -> Any:
    """Everything, on services of its own; returns the report. ``replays``: not of all views."""
    report: dict[str, Any] = {**machine(), "events": events, "seed": seed, "seconds": {}}
    with (
        services() as where,
        tempfile.TemporaryDirectory(prefix="headrace-parity-") as name,
        share_of_others(report),
    ):
        root = Path(name)
        declared = _project(root, rows_per_file)
        step = _Steps(report["seconds"], console)
        with _workers(root, where, declared) as drained:
            with step("streamed"):
                _send(root, where, declared, events, seed)
                drained(PATIENCE_S * (1 + events / 1_000_000))
            report["verified"] = _verified(root, where, declared) if events <= 1_000_000 else None
            streamed = _streamed(where, declared)
            found: dict[str, Tables] = {}
            with step("from the log"):
                found["log"] = _offline(root, where, declared, None)
            with step("archived"):
                report["archived"] = _archive(where, declared)
            _forget_half(where, declared)
            with step("from the archive"):
                found["archive"] = _offline(root, where, declared, _url(declared))
            with step("replayed"):
                for view in replays or declared.clickhouse.views:
                    _replay(root, view)
            again = _streamed(where, declared)
            found["replayed"] = {view: again[view] for view in replays or again}
            with step("declared, in Polars"):
                in_polars = _in_polars(root, where, declared)
    report["views"] = {
        view: _judged(declared, view, rows, found, in_polars) for view, rows in streamed.items()
    }
    report["equal"] = not any(
        differing for view in report["views"].values() for differing in view["differing"].values()
    )
    return report


def _project(root: Path, rows_per_file: int) -> Topology:
    """The shop with an archive in the folder."""
    text = (ROOT / topology.FILE).read_text(encoding="utf-8")
    archive = f"archive: {{url: '{root / 'archive'}', rows_per_file: {rows_per_file}}}"
    (root / topology.FILE).write_text(f"{text}\n{archive}\n", encoding="utf-8")
    (root / "schemas").symlink_to(ROOT / "schemas")
    return topology.load(root)


def _url(declared: Topology) -> str:
    assert declared.archive is not None
    return declared.archive.url


@contextmanager
def _workers(root: Path, where: Endpoints, declared: Topology) -> Iterator[Callable[[float], None]]:
    """A worker; gives what waits until it has applied all, at most so many seconds."""
    apply_all(root, declared, where)
    workers = Workers(root, 1, log_file=root / "workers.log", env={"PYTHONPATH": str(ROOT)})
    workers.start()

    def drained(patience_s: float) -> None:
        deadline = time.monotonic() + patience_s
        while left := sum(lag.behind for lag in loadgen.verify.lags(where, declared).values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} events are not applied")
            time.sleep(0.5)

    try:
        yield drained
    finally:
        workers.stop()


class _Steps:
    def __init__(self, seconds: dict[str, float], console: Console) -> None:
        self._seconds = seconds
        self._console = console

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        yield
        self._seconds[name] = round(time.monotonic() - began, 1)
        self._console.print(f"{name}: {self._seconds[name]} s")


def _send(root: Path, where: Endpoints, declared: Topology, events: int, seed: int) -> None:
    config = LoadConfig(
        events=events, seed=seed, start_ms=1_772_366_390_000, event_rate=events / SPAN_S,
        late_ratio=0.05, late_s=LATE_S, duplicate_ratio=0.01, bad_ratio=0.001,
    )  # fmt: skip
    loadgen.run(config, where, declared, None, root=root)


def _verified(root: Path, where: Endpoints, declared: Topology) -> bool:
    """Whether the streamed tables are what a recount in plain Python gives."""
    return loadgen.verify.verify(root, where, declared, None).verified


def _replay(root: Path, view: str) -> None:
    """Build the view anew and switch to it; raises RuntimeError if it was not switched to."""
    command = [sys.executable, "-m", "headrace.cli.main", "replay", view, "--json"]
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=root, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"replay of {view}: {done.stdout}{done.stderr}")


def _streamed(where: Endpoints, declared: Topology) -> Tables:
    database = declared.clickhouse.database
    return {
        name: contents.held(where.clickhouse, contents.select(database, name, view))
        for name, view in declared.clickhouse.views.items()
    }


def _offline(root: Path, where: Endpoints, declared: Topology, url: str | None) -> Tables:
    """Every view by its own DDL in chDB."""
    names = list(declared.clickhouse.views)
    with (
        History(Archive(url) if url else None, where.kafka) as history,
        OfflineViews(root, declared, names) as views,
    ):
        fill(declared, Frames(root, declared, history), views, ALL_TIMES)
        return {name: views.rows(name) for name in names}


def _in_polars(root: Path, where: Endpoints, declared: Topology) -> dict[str, Difference]:
    """Every declared view that ClickHouse keeps, over archive and log, as its readers see it."""
    found = {}
    for name in declared.declared.keys() & declared.clickhouse.views.keys():
        view = DeclaredView(root, declared, name)
        with History(Archive(_url(declared)), where.kafka) as history:
            frames = Frames(root, declared, history)
            table = view.table(frames, ALL_TIMES, None, lambda _: None)
        found[name] = compare(table, view.held(where.clickhouse), view.key, within=view.within)
    return found


def _archive(where: Endpoints, declared: Topology) -> dict[str, Any]:
    assert declared.archive is not None
    began, url = time.monotonic(), _url(declared)
    with Log(where.kafka) as log:
        archiver = Archiver(url, log, Cut.of(declared.archive), SystemClock())
        archiver.start(declared.topics)
        done = archiver.run(threading.Event(), follow=False, tell=lambda _: None)
    size = sum(file.stat().st_size for file in Path(url).rglob("*.parquet"))
    seconds = time.monotonic() - began
    return {
        "records": done.records,
        "files": done.files,
        "value_bytes": done.nbytes,
        "file_bytes": size,
        "records_per_s": round(done.records / seconds),
    }


def _forget_half(where: Endpoints, declared: Topology) -> None:
    """What retention would do: each log then begins within the archive."""
    archive = Archive(_url(declared))
    befores = [
        KafkaTP(*tp, (first + last) // 2)
        for tp in declared.topic_partitions(declared.topics)
        for first, last in archive.spans(*tp)
    ]
    admin = AdminClient({"bootstrap.servers": where.kafka})
    for done in admin.delete_records(befores).values():
        done.result(60)


def _judged(
    declared: Topology,
    view: str,
    streamed: pl.DataFrame,
    found: Mapping[str, Tables],
    in_polars: Mapping[str, Difference],
) -> dict[str, Any]:
    key = declared.clickhouse.views[view].order_by
    others = {way: tables[view] for way, tables in found.items() if view in tables}
    compared = {way: compare(table, streamed, key) for way, table in others.items()}
    if view in in_polars:
        compared["declared"] = in_polars[view]
    return {
        "rows": streamed.height,
        "differing": {way: one.differing for way, one in compared.items()},
        "examples": [example for one in compared.values() for example in one.examples],
    }


def show(report: Mapping[str, Any], console: Console) -> None:
    """Views by row, ways by column: how many keys differ from the streamed table."""
    ways = list(dict.fromkeys(w for view in report["views"].values() for w in view["differing"]))
    table = Table(
        "view",
        "rows",
        *(f"{way}: differ" for way in ways),
        title="Keys that differ from the streamed table",
    )
    for name, view in report["views"].items():
        table.add_row(
            name, f"{view['rows']:,}", *(str(view["differing"].get(way, "")) for way in ways)
        )
    console.print(table)
    for name, view in report["views"].items():
        for example in view["examples"]:
            console.print(f"{name}: {example}")
    archived = report["archived"]
    console.print(
        f"Archived {archived['records']:,} records ({archived['value_bytes'] / 2**20:,.0f} MB of "
        f"values) at {archived['records_per_s']:,}/s into {archived['files']:,} files of "
        f"{archived['file_bytes'] / 2**20:,.0f} MB"
    )
    console.print("Equal to the last decimal" if report["equal"] else "[bold red]Not equal[/]")


def main() -> None:
    """Parse arguments, run, print; exit code 1 when anything differs."""
    parser = argparse.ArgumentParser(prog="python -m bench.parity")
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    console = Console(width=120)
    calm()
    report = run(args.events, console, seed=args.seed)
    show(report, console)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    if not report["equal"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
