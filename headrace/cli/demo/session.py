"""One demo from start to proof."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
from rich.console import Console
from rich.live import Live

import loadgen.verify
from headrace import endpoints, stack, topology
from headrace.cli.apply import apply_all
from headrace.cli.demo.numbers import Numbers
from headrace.cli.demo.serving import Serving, serving
from headrace.cli.demo.usage import Usage
from headrace.cli.demo.view import Moment, render
from headrace.endpoints import Endpoints, from_environment
from headrace.errors import Terminal, Transient
from headrace.lag import LagReader
from headrace.lifeline import die_with_parent
from headrace.serve.live import LiveReader
from headrace.serve.workers import WorkersReader
from headrace.topology.model import Topology
from headrace.worker_state import WorkerState
from headrace.workers import Workers

TICK_S = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """What to play."""

    root: Path
    events: int | None
    rate: float
    workers: int
    users: int
    seed: int
    recount: bool


def play(plan: Plan, console: Console) -> dict[str, Any]:
    """Run the demo and return its figures; Ctrl-C ends the load, then it drains and verifies."""
    began = time.monotonic()
    home = _fresh_home(plan.root)
    declared = topology.load(plan.root)
    with ExitStack() as cleanup:
        console.print("Starting Kafka, Redis and ClickHouse …")
        where = cleanup.enter_context(stack.running(plan.root))
        apply_all(plan.root, declared, where)
        workers = Workers(plan.root, plan.workers, log_file=home / "workers.log")
        cleanup.callback(workers.stop)
        workers.start()
        page = cleanup.enter_context(serving(plan.root, home / "serve.log"))
        ready = time.monotonic() - began
        console.print(f"Ready after {ready:.1f} s. Workers log to {home.name}/workers.log")
        console.print(f"Live page: [bold]{page.address}[/]")
        stage = cleanup.enter_context(_Stage.open(plan, declared, where, home, workers, page))
        with _interrupt() as interrupted:
            sent = stage.load(console, interrupted)
        stage.drain(console)
        seconds = time.time() - sent["started_at_ms"] / 1000
        stage.usage.sample()
        workers.stop()  # what they tell last holds everything
        numbers = stage.numbers()
        console.print("Verifying: ledger and log against ClickHouse and Redis …")
        proof = loadgen.verify.verify(
            plan.root, where, declared, ledger=home / "ledger", recount_log=plan.recount
        )
        proof.show(console)
        events = sum(topic["sent"] for topic in sent["events"].values())
        return {
            "events": events,
            "seconds": round(seconds, 3),
            "events_per_second": round(events / seconds, 1),
            "cpu_seconds": dict(stage.usage.cpu_seconds()),
            "peak_rss_bytes": dict(stage.usage.peak_rss()),
            "freshness_ms": numbers.freshness_ms(),
            "dead_letters": dict(numbers.dead_letters),
            "sink_retries": dict(numbers.retries),
            "ready_after_seconds": round(stage.ready_at - began, 2),
            "first_rows_after_seconds": round(stage.first_rows_at - began, 2),
            "workers": plan.workers,
            "seed": plan.seed,
            "guarantee": declared.delivery.guarantee,
            "compared": proof.compared,
            "differing": proof.differing,
            "verified": proof.verified,
        }


def _fresh_home(root: Path) -> Path:
    """A state folder of the demo's own, empty; what an earlier demo left running is stopped."""
    home = endpoints.state_dir(root) / "demo"
    os.environ["HEADRACE_HOME"] = str(home)
    if home.exists():
        stack.down(root)
        shutil.rmtree(home)
    home.mkdir(parents=True)
    return home


@contextmanager
def _interrupt() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into an event while the load runs."""
    event = threading.Event()
    before = {
        number: signal.signal(number, lambda *_: event.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Stage:
    """The running demo: generator, lag, live view."""

    def __init__(
        self,
        plan: Plan,
        declared: Topology,
        home: Path,
        workers: Workers,
        lag: LagReader,
        live: LiveReader,
        told: WorkersReader,
        page: Serving,
    ) -> None:
        self._plan = plan
        self._topology = declared
        self._home = home
        self._workers = workers
        self._lag = lag
        self._reader = live
        self._told = told
        self._states: list[WorkerState] = []
        self._page = page
        self.usage = Usage()
        self.usage.watch("serving", page.pid)
        self.ready_at = time.monotonic()
        self.first_rows_at = float("nan")
        self._before: Moment | None = None

    @classmethod
    @contextmanager
    def open(
        cls,
        plan: Plan,
        declared: Topology,
        where: Endpoints,
        home: Path,
        workers: Workers,
        page: Serving,
    ) -> Iterator[_Stage]:
        """Connect to the services."""
        partitions = declared.topic_partitions(declared.topics)
        live = LiveReader(where.clickhouse, declared.clickhouse.database)
        told = WorkersReader(where.redis, declared.redis.prefix)
        try:
            with LagReader(where.kafka, declared.name, partitions) as lag:
                stage = cls(plan, declared, home, workers, lag, live, told, page)
                stage._watch_services(plan.root)
                if sum(entry.end for entry in lag.read().values()) and from_environment():
                    raise Terminal(
                        "the topics of the given Kafka already hold records, so the demo's ledger "
                        "could not match; use empty topics or unset HEADRACE_KAFKA"
                    )
                yield stage
        finally:
            live.close()
            told.close()

    def numbers(self) -> Numbers:
        """What the workers have done; those that were killed are left out."""
        with contextlib.suppress(Transient):  # Redis is restarting: the numbers stand still
            self._states = self._told.read()
        return Numbers.of(self._states)

    def _watch_services(self, root: Path) -> None:
        for service in stack.status(root):
            if service.pid:
                self.usage.watch(service.name, service.pid)

    def load(self, console: Console, interrupted: threading.Event) -> dict[str, Any]:
        """Run the generator to its end or until interrupted; returns the ledger's summary."""
        plan = self._plan
        command = [sys.executable, "-m", "headrace.cli.main", "load", "--json"]
        command += ["--seed", str(plan.seed), "--users", str(plan.users)]
        command += ["--rate", str(plan.rate), "--ledger", str(self._home / "ledger")]
        if plan.events is not None:
            command += ["--events", str(plan.events)]
        with (self._home / "load.log").open("wb") as log:
            generator = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, preexec_fn=die_with_parent
            )
        self.usage.watch("generator", generator.pid)
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while generator.poll() is None:
                if interrupted.is_set():
                    generator.send_signal(signal.SIGINT)
                    break
                self._tick(live, "sending")
                interrupted.wait(TICK_S)
            self.usage.sample()
            code = generator.wait()
        if code != 0:
            raise Terminal(
                f"the generator stopped with exit code {code}: "
                f"{(self._home / 'load.log').read_text(errors='replace')[-2000:]}"
            )
        summary: dict[str, Any] = orjson.loads((self._home / "ledger/summary.json").read_bytes())
        return summary

    def drain(self, console: Console) -> None:
        """Wait until the group has committed everything that is in the log."""
        waiting = threading.Event()
        with Live(console=console, refresh_per_second=4, transient=True) as live:
            while self._tick(live, "draining") > 0:
                waiting.wait(TICK_S)

    def _tick(self, live: Live, phase: str) -> int:
        """Look at everything once, draw it, and return the lag."""
        self._workers.check()
        for pid in self._workers.pids:
            self.usage.watch("worker", pid)
        self.usage.sample()
        lags = self._lag.read()
        by_topic: dict[str, int] = {}
        for tp, entry in lags.items():
            by_topic[tp.topic] = by_topic.get(tp.topic, 0) + entry.behind
        try:
            revenue = self._reader.revenue()
        except Transient:
            revenue = []  # ClickHouse is restarting: the view goes on without this table
        if revenue and self.first_rows_at != self.first_rows_at:
            self.first_rows_at = time.monotonic()
        moment = Moment(
            seconds=time.monotonic() - self.ready_at,
            produced=sum(entry.end for entry in lags.values()),
            applied=sum(entry.end - entry.behind for entry in lags.values()),
            lag=by_topic,
            numbers=self.numbers(),
            revenue=revenue,
            phase=phase,
            page=self._page.address,
        )
        live.update(render(moment, self._before))
        self._before = moment
        return sum(by_topic.values())
