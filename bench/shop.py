"""The whole shop on this machine: services, a worker, the serving process, and intake."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bench.__main__ import services
from bench.cost import variant
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.lag import LagReader
from headrace.lifeline import die_with_parent
from headrace.topology.model import Topology
from headrace.workers import Workers

NAME = "serving"
STOP_S = 120


@dataclass
class Shop:
    """What runs. ``serve`` is the serving process's id, ``port`` where it listens."""

    folder: Path
    where: Endpoints
    declared: Topology
    serve: int
    port: int
    lags: LagReader

    @contextmanager
    def intake(self, rate: float) -> Iterator[None]:
        """``headrace load`` meanwhile; raises RuntimeError if it ends by itself."""
        arguments = ["load", "--json", "--rate", str(rate)]
        with (self.folder / "load.log").open("wb") as log:
            load = _command(self.folder, arguments, stdout=subprocess.DEVNULL, stderr=log)
        try:
            yield
            if load.poll() is not None:
                raise RuntimeError(f"no load: {(self.folder / 'load.log').read_text()[-2000:]}")
        finally:
            load.terminate()
            load.wait(STOP_S)

    def log(self) -> tuple[int, int, float]:
        """Events in the log, events applied, and when that was, s."""
        lags = self.lags.read().values()
        end = sum(lag.end for lag in lags)
        return end, end - sum(lag.behind for lag in lags), time.monotonic()

    def drained(self, patience_s: float = 300) -> None:
        """Wait until all is applied."""
        deadline = time.monotonic() + patience_s
        while True:
            end, applied, now = self.log()
            if applied >= end:
                return
            if now > deadline:
                raise RuntimeError(f"{end - applied} events are not applied in {patience_s:.0f} s")
            time.sleep(0.5)


@contextmanager
def running() -> Iterator[Shop]:
    """Everything but the intake, empty."""
    with services() as where, tempfile.TemporaryDirectory(prefix="headrace-bench-") as name:
        folder = Path(name)
        declared = variant(folder, "exactly_once", NAME)
        apply_all(folder, declared, where)
        workers = Workers(folder, 1, log_file=folder / "workers.log")
        workers.start()
        serve = _command(folder, ["serve", "--port", "0"], stdout=subprocess.PIPE)
        assert serve.stdout is not None
        try:
            port = int(serve.stdout.readline().rpartition(b":")[2])
            with LagReader(
                where.kafka, declared.name, declared.topic_partitions(declared.topics)
            ) as lags:
                yield Shop(folder, where, declared, serve.pid, port, lags)
        finally:
            serve.terminate()
            serve.wait(STOP_S)
            serve.stdout.close()
            workers.stop()


def _command(
    folder: Path, arguments: list[str], stdout: int, stderr: IO[bytes] | None = None
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "headrace.cli.main", *arguments], cwd=folder, stdout=stdout,
        stderr=stderr, env=dict(os.environ), preexec_fn=die_with_parent,
    )  # fmt: skip
