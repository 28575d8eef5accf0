"""One worker process: a Faust worker around the composed app."""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
import threading
from functools import partial
from pathlib import Path

import faust
from faust.worker import Worker

from headrace import logs, probes
from headrace.app import Runtime, create
from headrace.endpoints import load
from headrace.errors import EXIT_AGAIN, HeadraceError, Transient
from headrace.heap import one_arena
from headrace.probes import Address, Probes
from headrace.reporter import Reporter
from headrace.telemetry.provider import exporting
from sinks.factory import make_telling

START_PAUSE_S = 1.0

log = logging.getLogger(__name__)


class HeadraceWorker(Worker):  # type: ignore[misc]
    """Faust's worker without its banner and its own logging set-up, telling how it is."""

    def __init__(self, app: faust.App, reporter: Reporter) -> None:
        super().__init__(app, quiet=True, loglevel=None, redirect_stdouts=False)
        self._reporter = reporter

    async def on_first_start(self) -> None:
        """Report from now on: a task of the app's would wait for its first assignment."""
        await super().on_first_start()
        self.add_future(self._reporter.run())

    def _setup_logging(self) -> None:
        """Keep the logging that ``main`` configured."""


def _created(root: Path) -> faust.App:
    pause = threading.Event()
    while True:
        try:
            return create(root)
        except Transient as error:
            log.warning("can't start for now, next try in %.0f s: %s", START_PAUSE_S, error)
        pause.wait(START_PAUSE_S)


def work(root: Path, index: int, watched_at: Address | None = None) -> int:
    """Run a worker until a signal or an error; returns the exit code.

    ``watched_at`` is where it answers to ``/metrics``, ``/healthz`` and ``/readyz``.

    0 after a signal, 1 after an error that would come again, EXIT_AGAIN otherwise. Waits for a
    Kafka that is away, as it would later on. Raises ConfigError.
    """
    app = _created(root)
    runtime: Runtime = app.headrace
    telling = partial(make_telling, runtime.topology, load(root))
    reporter = Reporter(runtime, telling, index)
    if watched_at is not None:
        failed = partial(getattr, runtime, "failed")
        probes.listen(watched_at, Probes(runtime.metrics, reporter.silence_s, failed))
    worker = HeadraceWorker(app, reporter)
    worker.spinner = None  # it would write terminal codes among the lines
    try:
        worker.execute_from_commandline()
    except SystemExit as exit_:
        code = EXIT_AGAIN if exit_.code else 0
    else:
        code = 0
    asyncio.run(reporter.last_word())
    if isinstance(runtime.failed, Transient):
        return EXIT_AGAIN  # the start waits for what is away
    return 1 if runtime.failed else code


def main(argv: list[str] | None = None) -> int:
    """``python -m headrace.worker --root DIR --index N``; 0 after a signal, 1 after an error."""
    parser = argparse.ArgumentParser(prog="headrace.worker")
    parser.add_argument("--root", type=Path, default=Path.cwd())
    parser.add_argument("--index", type=int, default=0)
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--watched-at", type=Address.parse, metavar="HOST:PORT")
    parser.add_argument("--log-format")
    args = parser.parse_args(argv)
    one_arena()
    try:
        logs.configure(args.log_level, args.log_format)
        with exporting("headrace-worker"):
            return work(args.root, args.index, args.watched_at)
    except HeadraceError as error:
        logs.tell(error, 2)
        return 2


if __name__ == "__main__":
    sys.exit(main())
