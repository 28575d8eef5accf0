"""One worker process: a Faust worker around the composed app, telling its numbers every second."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import sys
import threading
from pathlib import Path
from typing import Any

import faust
from faust.worker import Worker

from headrace import logs
from headrace.app import Runtime, create
from headrace.endpoints import state_dir
from headrace.errors import EXIT_AGAIN, HeadraceError, Transient
from headrace.heap import one_arena
from headrace.telemetry.provider import exporting

SNAPSHOT_EVERY_S = 0.5
START_PAUSE_S = 1.0

log = logging.getLogger(__name__)


def snapshot_dir(root: Path) -> Path:
    """Where workers leave their numbers: ``<index>.json`` each."""
    return state_dir(root) / "workers"


class HeadraceWorker(Worker):  # type: ignore[misc]
    """Faust's worker without its banner and its own logging set-up."""

    def _setup_logging(self) -> None:
        """Keep the logging that ``main`` configured."""


async def _tell(runtime: Runtime, path: Path) -> None:
    while True:
        runtime.metrics.write(path)
        await asyncio.sleep(SNAPSHOT_EVERY_S)


def _created(root: Path) -> faust.App:
    pause = threading.Event()
    while True:
        try:
            return create(root)
        except Transient as error:
            log.warning("can't start for now, next try in %.0f s: %s", START_PAUSE_S, error)
        pause.wait(START_PAUSE_S)


def work(root: Path, index: int) -> int:
    """Run a worker until a signal or an error; returns the exit code.

    0 after a signal, 1 after an error that would come again, EXIT_AGAIN otherwise. Waits for a
    Kafka that is away, as it would later on. Raises ConfigError.
    """
    app = _created(root)
    runtime: Runtime = app.headrace
    path = snapshot_dir(root) / f"{index}.json"

    @app.task()  # type: ignore[untyped-decorator]
    async def tell(_: Any = None) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await _tell(runtime, path)

    worker = HeadraceWorker(app, quiet=True, loglevel=None, redirect_stdouts=False)
    worker.spinner = None  # it would write terminal codes among the lines
    try:
        worker.execute_from_commandline()
    except SystemExit as exit_:
        code = EXIT_AGAIN if exit_.code else 0
    else:
        code = 0
    runtime.metrics.write(path)
    if isinstance(runtime.failed, Transient):
        return EXIT_AGAIN  # the start waits for what is away
    return 1 if runtime.failed else code


def main(argv: list[str] | None = None) -> int:
    """``python -m headrace.worker --root DIR --index N``; 0 after a signal, 1 after an error."""
    parser = argparse.ArgumentParser(prog="headrace.worker")
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--index", type=int, default=0)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--log-format")
    args = parser.parse_args(argv)
    one_arena()
    try:
        logs.configure(args.log_level, args.log_format)
        with exporting("headrace-worker"):
            return work(args.root, args.index)
    except HeadraceError as error:
        logs.tell(error, 2)
        return 2


if __name__ == "__main__":
    sys.exit(main())
