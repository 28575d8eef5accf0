"""The whole topology under a steady load: does it keep up, in bounded memory, and how fresh is it?

Every service, the workers and the load generator share this machine. What is told is of the time
after ``WARM_S``: a broker and a worker have compiled and cached what they will by then.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from rich.console import Console

from bench.cost import Proof, variant
from bench.probes import Probes
from bench.process import ROOT
from headrace import stack
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.lag import LagReader
from headrace.lifeline import die_with_parent
from headrace.workers import Workers

WARM_S = 20.0
EVERY_S = 1.0
DRAIN_S = 600.0
MIB = 1 << 20
LOG = "load.log"
SUMMARY = "load.json"


class Samples:
    """What was seen each second: lag and applied events, CPU seconds and memory by role."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self.lag: list[int] = []
        self.applied: list[int] = []
        self.cpu: list[dict[str, float]] = []
        self.rss: list[dict[str, int]] = []

    def add(self, lag: int, applied: int, roles: Mapping[str, list[int]]) -> None:
        """Note one second; ``roles`` are process ids by role."""
        self.at.append(time.monotonic())
        self.lag.append(lag)
        self.applied.append(applied)
        cpu, rss = {}, {}
        for role, pids in roles.items():
            found = [_read(pid) for pid in pids]
            cpu[role] = sum(seconds for seconds, _ in found)
            rss[role] = sum(held for _, held in found)
        self.cpu.append(cpu)
        self.rss.append(rss)

    def summary(self) -> dict[str, Any]:
        """Rates over the whole, trends by least squares, memory of the first and last tenth."""
        seconds = np.array(self.at) - self.at[0]
        span, tenth = float(seconds[-1]), max(1, len(self.at) // 10)
        lag = np.array(self.lag, float)
        applied = self.applied[-1] - self.applied[0]
        busy = {role: self.cpu[-1][role] - self.cpu[0][role] for role in self.cpu[0]}
        return {
            "seconds": round(span, 1),
            "events": applied,
            "events_per_second": round(applied / span),
            "lag_events": {
                "first": round(float(lag[:tenth].mean())),
                "last": round(float(lag[-tenth:].mean())),
                "most": int(lag.max()),
                "growth_per_second": round(float(np.polyfit(seconds, lag, 1)[0]), 2),
            },
            "cpus": {role: round(used / span, 3) for role, used in busy.items()},
            "rss_mib": {
                role: {
                    "first": round(np.mean([r[role] for r in self.rss[:tenth]]) / MIB),
                    "last": round(np.mean([r[role] for r in self.rss[-tenth:]]) / MIB),
                    "most": round(max(r[role] for r in self.rss) / MIB),
                }
                for role in self.rss[0]
            },
        }


def _read(pid: int) -> tuple[float, int]:
    """CPU seconds and resident bytes of a process; nothing of one that is gone."""
    try:
        process = psutil.Process(pid)
        times = process.cpu_times()
        return float(times.user + times.system), int(process.memory_info().rss)
    except psutil.NoSuchProcess:
        return 0.0, 0


def run(
    where: Endpoints,
    rate: float,
    seconds: float,
    console: Console,
    *,
    workers: int = 1,
    users: int = 50_000,
    partitions: int | None = None,
    probes: float = 0.0,
    verify: bool = True,
) -> dict[str, Any]:
    """Load the shop's pipeline with ``rate`` events/s for ``seconds`` after it is warm.

    Topics have ``partitions`` instead of what the project says, if it is given.
    ``probes`` a second measure freshness; a run with some can't be verified. ``verify`` drains and
    counts, see ``bench.cost.Proof``: a ledger of everything would take the generator as much CPU
    as its events do. The topics must be empty. Raises RuntimeError when the generator or the proof
    fails.
    """
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(tempfile.TemporaryDirectory(prefix="headrace-bench-")))
        declared = variant(folder, "exactly_once", "bench", partitions=partitions)
        apply_all(folder, declared, where)
        group = Workers(folder, workers, log_file=folder / "workers.log")
        cleanup.callback(group.stop)
        group.start()
        load = _load(folder, rate, users)
        cleanup.callback(load.kill)
        reader = cleanup.enter_context(
            LagReader(where.kafka, declared.name, declared.topic_partitions(declared.topics))
        )
        roles = {s.name: [s.pid] for s in stack.status(ROOT) if s.pid is not None}

        def look(samples: Samples) -> int:
            group.check()
            lags = reader.read().values()
            behind = sum(lag.behind for lag in lags)
            done = sum(lag.end for lag in lags) - behind
            samples.add(behind, done, roles | {"worker": group.pids, "generator": [load.pid]})
            return behind

        samples, pause = Samples(), threading.Event()
        _during(WARM_S, lambda: look(Samples()), pause, load, folder)
        with ExitStack() as probing:
            probe = probing.enter_context(Probes(where, declared, probes)) if probes else None
            _during(seconds, lambda: look(samples), pause, load, folder)
        load.terminate()
        if load.wait(120):
            raise _failed(folder)
        report = {
            "asked_rate": rate,
            "workers": workers,
            "users": users,
            "partitions": len(declared.topic_partitions(declared.topics)),
        } | samples.summary()
        if probe is not None:
            report["freshness_ms"] = probe.summary()
        if verify and not probes:
            show(report, console)
            console.print("Draining and counting …")
            deadline = time.monotonic() + DRAIN_S
            while look(Samples()):
                if time.monotonic() > deadline:
                    raise RuntimeError(f"not drained after {DRAIN_S:.0f} s")
                pause.wait(EVERY_S)
            group.stop()
            sent = json.loads((folder / SUMMARY).read_text())["events"]
            held = Proof(where, declared, sent).rows(sum(n["sent"] for n in sent.values()))
            report["rows"] = sum(held.values())
        return report


def _during(
    seconds: float,
    look: Callable[[], int],
    pause: threading.Event,
    load: subprocess.Popen[bytes],
    folder: Path,
) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if load.poll() is not None:
            raise _failed(folder)
        look()
        pause.wait(EVERY_S)


def _failed(folder: Path) -> RuntimeError:
    return RuntimeError(f"the generator failed: {(folder / LOG).read_text()[-2000:]}")


def _load(folder: Path, rate: float, users: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headrace.cli.main", "load", "--json", "--rate", str(rate)]
    command += ["--users", str(users)]
    with (folder / LOG).open("wb") as log, (folder / SUMMARY).open("wb") as summary:
        return subprocess.Popen(
            command, cwd=folder, stdout=summary, stderr=log, env=dict(os.environ),
            preexec_fn=die_with_parent,
        )  # fmt: skip


def show(report: Mapping[str, Any], console: Console) -> None:
    """Print the report as it is."""
    console.print_json(json.dumps(report))
