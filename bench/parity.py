"""``python -m bench.parity``: every view streamed, and again from the log and from the archive.

The events are late, out of order, sent twice and damaged, as the generator makes them. Streamed is
what the workers wrote to ClickHouse; the others are evaluated offline over history: from the log
alone, and from the archive with a log that retention has taken the older half of. All tables of a
view must be equal to the last decimal.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
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
from headrace.backtest.difference import compare
from headrace.backtest.filling import fill
from headrace.backtest.frames import Frames
from headrace.backtest.moments import Stretch
from headrace.cli.apply import apply_all
from headrace.clock import SystemClock
from headrace.endpoints import Endpoints
from headrace.topology.archive import Archive as Declared
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


def run(events: int, console: Console, *, seed: int = 1, rows_per_file: int = 1_000_000) -> Any:
    """Everything, on services of its own; returns the report."""
    declared = topology.load(ROOT)
    report: dict[str, Any] = {**machine(), "events": events, "seed": seed, "seconds": {}}
    with (
        services() as where,
        tempfile.TemporaryDirectory(prefix="headrace-parity-") as name,
        share_of_others(report),
    ):
        step = _Steps(report["seconds"], console)
        with step("streamed"):
            _stream(where, declared, Path(name), events, seed)
        report["verified"] = _verified(where, declared) if events <= 1_000_000 else None
        streamed = _streamed(where, declared)
        found: dict[str, Tables] = {}
        with step("from the log"):
            found["log"] = _offline(where, declared, None)
        url = str(Path(name) / "archive")
        with step("archived"):
            report["archived"] = _archive(where, declared, url, rows_per_file)
        _forget_half(where, declared, Archive(url))
        with step("from the archive"):
            found["archive"] = _offline(where, declared, url)
    report["views"] = {
        view: _judged(declared, view, rows, {k: tables[view] for k, tables in found.items()})
        for view, rows in streamed.items()
    }
    report["equal"] = not any(
        differing for view in report["views"].values() for differing in view["differing"].values()
    )
    return report


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


def _stream(where: Endpoints, declared: Topology, folder: Path, events: int, seed: int) -> None:
    apply_all(ROOT, declared, where)
    config = LoadConfig(
        events=events, seed=seed, start_ms=1_772_366_390_000, event_rate=events / SPAN_S,
        late_ratio=0.05, late_s=LATE_S, duplicate_ratio=0.01, bad_ratio=0.001,
    )  # fmt: skip
    loadgen.run(config, where, declared, None, root=ROOT)
    workers = Workers(ROOT, 1, log_file=folder / "workers.log")
    workers.start()
    try:
        deadline = time.monotonic() + PATIENCE_S * (1 + events / 1_000_000)
        while left := sum(lag.behind for lag in loadgen.verify.lags(where, declared).values()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"{left} events are not applied")
            time.sleep(0.5)
    finally:
        workers.stop()


def _verified(where: Endpoints, declared: Topology) -> bool:
    """Whether the streamed tables are what a recount in plain Python gives."""
    return loadgen.verify.verify(ROOT, where, declared, None).verified


def _streamed(where: Endpoints, declared: Topology) -> Tables:
    database = declared.clickhouse.database
    return {
        name: contents.held(where.clickhouse, contents.select(database, name, view))
        for name, view in declared.clickhouse.views.items()
    }


def _offline(where: Endpoints, declared: Topology, url: str | None) -> Tables:
    names = list(declared.clickhouse.views)
    with (
        History(Archive(url) if url else None, where.kafka) as history,
        OfflineViews(ROOT, declared, names) as views,
    ):
        fill(declared, Frames(ROOT, declared, history), views, ALL_TIMES)
        return {name: views.rows(name) for name in names}


def _archive(where: Endpoints, declared: Topology, url: str, rows_per_file: int) -> dict[str, Any]:
    began = time.monotonic()
    cut = Cut.of(Declared(url=url, rows_per_file=rows_per_file))
    with Log(where.kafka) as log:
        archiver = Archiver(url, log, cut, SystemClock())
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


def _forget_half(where: Endpoints, declared: Topology, archive: Archive) -> None:
    """What retention would do: each log then begins within the archive."""
    befores = []
    for tp in declared.topic_partitions(declared.topics):
        for first, last in archive.spans(*tp):
            befores.append(KafkaTP(*tp, (first + last) // 2))
    admin = AdminClient({"bootstrap.servers": where.kafka})
    for done in admin.delete_records(befores).values():
        done.result(60)


def _judged(
    declared: Topology, view: str, streamed: pl.DataFrame, others: Tables
) -> dict[str, Any]:
    key = declared.clickhouse.views[view].order_by
    found = {name: compare(table, streamed, key) for name, table in others.items()}
    return {
        "rows": streamed.height,
        "differing": {name: one.differing for name, one in found.items()},
        "examples": [example for one in found.values() for example in one.examples],
    }


def show(report: Mapping[str, Any], console: Console) -> None:
    """Views by row, ways by column: how many keys differ from the streamed table."""
    ways = list(next(iter(report["views"].values()))["differing"])
    table = Table("view", "rows", *(f"{way}: keys that differ" for way in ways))
    for name, view in report["views"].items():
        table.add_row(name, f"{view['rows']:,}", *(str(view["differing"][way]) for way in ways))
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
    report = run(args.events, console, seed=args.seed)
    show(report, console)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1, default=str) + "\n", encoding="utf-8")
    if not report["equal"]:
        sys.exit(1)


if __name__ == "__main__":
    main()
