"""A shop that ran for two hours: real services, a worker, a serving process, and the truth."""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

import loadgen
from headrace import stack as services
from headrace import topology
from headrace.endpoints import Endpoints
from headrace.topology import Topology
from headrace.workers import Workers
from loadgen import LoadConfig
from loadgen.verify import lags
from loadgen.verify.recount import count
from loadgen.verify.truth import Truth
from tests.serve.server import ENV, ROOT, served

EVENTS = 6_000
SECONDS_PER_EVENT = 1.2


@dataclass
class Shop:
    """What tests ask, and what is true. ``truth`` recounts the log in plain Python."""

    root: Path
    home: dict[str, str]
    endpoints: Endpoints
    topology: Topology
    truth: Truth
    url: str
    client: httpx.Client

    def get(self, path: str, **parameters: object) -> httpx.Response:
        return self.client.get(path, params=parameters)  # type: ignore[arg-type]

    def headrace(self, *arguments: str, stdin: str = "") -> str:
        """A command's output, run in the project's folder."""
        return subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", *arguments], cwd=self.root,
            env=ENV | self.home, input=stdin, capture_output=True, text=True, check=True,
        ).stdout  # fmt: skip


@contextmanager
def running(root: Path) -> Iterator[Shop]:
    """The shop, its events all applied; the worker goes on."""
    shutil.copytree(ROOT / "schemas", root / "schemas")
    shutil.copy(ROOT / "topology.yaml", root)
    declared = topology.load(root)
    # Named to the shop's own processes only: this one goes on to tests of other services.
    home = {"HEADRACE_HOME": str(root / ".headrace")}
    with services_of(root, home) as endpoints:
        subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", "apply"], cwd=root, env=ENV | home,
            check=True, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        start_ms = int((time.time() - EVENTS * SECONDS_PER_EVENT) * 1000)
        config = LoadConfig(
            events=EVENTS, users=120, products=60, start_ms=start_ms,
            event_rate=1 / SECONDS_PER_EVENT,
        )  # fmt: skip
        loadgen.run(config, endpoints, declared, None, root=root)
        env = {"PYTHONPATH": str(ROOT), **home}
        workers = Workers(root, 1, log_file=root / "worker.log", env=env)
        workers.start()
        try:
            drained(endpoints, declared)
            spans = [(tp, lag.begin, lag.end) for tp, lag in lags(endpoints, declared).items()]
            nothing: dict[str, set[tuple[int, int]]] = {name: set() for name in declared.topics}
            truth = count(root, endpoints.kafka, declared, spans, nothing)
            with served(root, **home) as url, httpx.Client(base_url=url, timeout=30) as client:
                yield Shop(root, home, endpoints, declared, truth, url, client)
        finally:
            workers.stop()


@contextmanager
def services_of(root: Path, home: dict[str, str], extra: Sequence[str] = ()) -> Iterator[Endpoints]:
    """Services in the folder that ``home`` names, whatever the environment says meanwhile."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HEADRACE_HOME", home["HEADRACE_HOME"])
        endpoints = services.up(root, own=True, extra=extra)
    try:
        yield endpoints
    finally:
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("HEADRACE_HOME", home["HEADRACE_HOME"])
            services.down(root)


def drained(endpoints: Endpoints, declared: Topology) -> None:
    """Wait until all is committed."""
    deadline = time.monotonic() + 60
    while any(lag.behind for lag in lags(endpoints, declared).values()):
        assert time.monotonic() < deadline
        time.sleep(0.2)
