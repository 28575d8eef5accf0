"""``headrace archive``: topics to Parquet files, which outlive what Kafka keeps."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal

import orjson
import typer
from rich.console import Console
from rich.live import Live

from headrace import endpoints, topology
from headrace.archive.archiver import Archiver, Progress
from headrace.archive.cut import Cut
from headrace.archive.log import Log
from headrace.archive.proof import Proof, prove
from headrace.archive.reader import Archive
from headrace.archive.times import EventTimes
from headrace.clock import SystemClock
from headrace.collector import calm
from headrace.errors import ConfigError
from headrace.schemas import registry_of
from headrace.security import grants
from headrace.topology.archive import Archive as Declared
from headrace.topology.model import Topology

#: Seconds between two lines of progress where nobody looks at a terminal.
LINES_S = 10.0


def archive(
    topics: Annotated[
        list[str] | None, typer.Argument(help="Topics; none: those of archive.topics, or all.")
    ] = None,
    until: Annotated[
        Literal["now"], typer.Option(help="Stop where the topics end when it starts.")
    ] = "now",
    follow: Annotated[bool, typer.Option("--follow", help="Go on until it is stopped.")] = False,
    url: Annotated[
        str | None, typer.Option(help="A folder, s3://bucket/prefix, …; default: archive.url.")
    ] = None,
    skip_lost: Annotated[
        bool, typer.Option("--skip-lost", help="Go on behind what retention took before.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Read all of it and compare it with the log instead.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Write what is committed of topics to Parquet files by topic, hour and offset.

    Run again, also after a crash, it goes on where the archive ends. One process archives a topic
    at a time. --verify exits with 1 when the archive has a gap or differs from the log.
    """
    root = Path.cwd()
    declared, where = topology.load(root), endpoints.load(root)
    settings = _settings(declared, url)
    names = _names(declared, settings, topics)
    grants.check(where.kafka, grants.archive(declared))
    calm()
    with Log(where.kafka) as log:
        if verify:
            _verify(log, settings.url, names, json)
            return
        registry = registry_of(root, declared)
        times = {
            name: EventTimes(registry, declared.topics[name].schema_, settings.event_time)
            for name in names
            if settings.event_time
        }
        archiver = Archiver(settings.url, log, Cut.of(settings), SystemClock(), times)
        archiver.start(names, skip_lost=skip_lost)
        stop = _stopped_by_signals()
        began = time.monotonic()
        with _told(began, follow, json) as tell:
            done = archiver.run(stop, follow=follow, tell=tell)
        seconds = time.monotonic() - began
    if json:
        rate = round(done.records / max(seconds, 1e-9))
        report = {
            "records": done.records, "bytes": done.nbytes, "files": done.files,
            "seconds": round(seconds, 3), "records_per_s": rate,
        }  # fmt: skip
        typer.echo(orjson.dumps(report).decode())
    else:
        typer.echo(_line(done, seconds, follow=True))


def _settings(declared: Topology, url: str | None) -> Declared:
    settings = declared.archive
    if settings is None and url is None:
        raise ConfigError("topology.yaml: archive: missing; add 'archive: {url: …}', or give --url")
    if url is None:
        assert settings is not None
        return settings
    return settings.model_copy(update={"url": url}) if settings else Declared(url=url)


def _names(declared: Topology, settings: Declared, asked: list[str] | None) -> list[str]:
    names = list(asked or settings.topics or declared.topics)
    for name in names:
        declared.topic(name)
    return names


def _stopped_by_signals() -> threading.Event:
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    return stop


@contextmanager
def _told(began: float, follow: bool, json: bool) -> Iterator[Callable[[Progress], None]]:
    """Shows progress: live in a terminal, a line now and then elsewhere."""
    if not json and sys.stdout.isatty():
        with Live(console=Console(), refresh_per_second=4, transient=True) as live:
            yield lambda now: live.update(_line(now, time.monotonic() - began, follow))
        return
    said = began

    def tell(now: Progress) -> None:
        nonlocal said
        if time.monotonic() - said >= LINES_S:
            said = time.monotonic()
            typer.echo(_line(now, said - began, follow), err=True)

    yield tell


def _line(now: Progress, seconds: float, follow: bool) -> str:
    rate = now.records / max(seconds, 1e-9)
    line = (
        f"{now.records:,} records ({now.nbytes / 2**20:,.0f} MB) to {now.files:,} files in "
        f"{seconds:.1f} s, {rate:,.0f} records/s"
    )
    if follow or not now.left:
        return line
    return f"{line}, {now.left:,} offsets left" + (f", {now.left / rate:,.0f} s" if rate else "")


def _verify(log: Log, url: str, names: list[str], json: bool) -> None:
    archive = Archive(url)
    proofs = [prove(archive, log, tp) for name in names for tp in log.partitions(name)]
    if json:
        typer.echo(orjson.dumps([proof.as_dict() for proof in proofs]).decode())
    else:
        for proof in proofs:
            typer.echo(_proof(proof))
    if not all(proof.proven for proof in proofs):
        raise typer.Exit(1)


def _proof(proof: Proof) -> str:
    spans = ", ".join(f"{first:,} to {last:,}" for first, last in proof.spans) or "nothing"
    line = (
        f"{proof.topic}[{proof.partition}]: {spans}: {proof.records:,} records, "
        f"{proof.compared:,} of them compared with the log"
    )
    if len(proof.spans) > 1:
        line += "; there is a gap"
    if proof.differs is not None:
        line += f"; between {proof.differs[0]:,} and {proof.differs[1]:,} the log has others"
    return line
