"""``headrace run``: workers until a signal."""

from __future__ import annotations

import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from headrace import endpoints, logs, probes, topology
from headrace.preflight import check_topics
from headrace.probes import Address
from headrace.workers import Workers


def run(
    workers: Annotated[int, typer.Option(min=1, help="How many worker processes.")] = 1,
    metrics_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, help="Answer to /metrics, /healthz and /readyz: worker i at this + i."
        ),
    ] = None,
    metrics_host: Annotated[str, typer.Option(help="Address for that.")] = "127.0.0.1",
    log_level: Annotated[str, typer.Option(help="debug, info, warning or error.")] = "info",
    log_format: Annotated[
        str | None, typer.Option(help="text or json; else what HEADRACE_LOG says.")
    ] = None,
) -> None:
    """Run workers until Ctrl-C; blocks that are being written are finished first."""
    logs.configure(log_level, log_format)
    root = Path.cwd()
    declared = topology.load(root)
    check_topics(endpoints.load(root).kafka, declared)
    stop = threading.Event()

    def on_signal(_signum: int, _frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGINT, on_signal)
    signal.signal(signal.SIGTERM, on_signal)
    watched_at = None if metrics_port is None else Address(metrics_host, metrics_port)
    if watched_at is not None:
        for index in range(workers):
            probes.check(watched_at.of_worker(index))
    group = Workers(root, workers, log_level, log_format=log_format, watched_at=watched_at)
    group.start()
    try:
        group.watch(stop.is_set)
    finally:
        group.stop()
