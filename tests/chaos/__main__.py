"""``python -m tests.chaos``: faults at random moments from a printed seed, then `verify`."""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

import loadgen.verify
from headrace import stack, topology
from headrace.block import TopicPartition
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints, state_dir
from headrace.errors import Transient
from headrace.lag import LagReader
from headrace.topology import Topology
from headrace.workers import Workers
from tests.chaos.faults import FAULTS, Scene

ROOT = Path(__file__).resolve().parents[2]
DRAIN_S = 300.0


class Watch:
    """Keeps workers running in the background and notes when progress is made."""

    def __init__(self, workers: Workers, where: Endpoints, declared: Topology) -> None:
        self._workers = workers
        self._where = where
        self._declared = declared
        self._stop = threading.Event()
        self.progress: list[tuple[float, int]] = []
        self.failed: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        partitions = [
            TopicPartition(t, p)
            for t in self._declared.topics
            for p in range(self._declared.partitions(t))
        ]
        with LagReader(self._where.kafka, self._declared.name, partitions) as reader:
            while not self._stop.wait(0.1):
                try:
                    applied = sum(lag.committed or 0 for lag in reader.read().values())
                except Transient:
                    continue  # Kafka is away: that is one of the faults
                except Exception as error:
                    self.failed = error
                    return
                if not self.progress or applied > self.progress[-1][1]:
                    self.progress.append((time.monotonic(), applied))

    def recovery(self, since: float) -> float | None:
        """Seconds from ``since`` to the first block applied after it."""
        return next((at - since for at, _ in self.progress if at > since), None)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()


def play(
    seed: int,
    faults: int,
    rate: float,
    workers: int,
    console: Console,
    chosen: Sequence[str] | None = None,
) -> dict[str, Any]:
    """One run; returns the report. ``chosen`` names the faults instead of the seed's dice."""
    rng = random.Random(seed)
    home = Path(tempfile.mkdtemp(prefix="headrace-chaos-"))
    os.environ["HEADRACE_HOME"] = str(home)
    declared = topology.load(ROOT)
    with stack.running(ROOT) as where:
        apply_all(ROOT, declared, where)
        group = Workers(ROOT, workers, log_file=home / "workers.log", restarts_in_a_row=1_000_000)
        group.start()
        load = _load(home, seed, rate)
        watch = Watch(group, where, declared)
        done: list[dict[str, Any]] = []
        try:
            scene = Scene(ROOT, group, rng, lambda s: _pause(s, group))
            _pause(5.0, group)
            for number in range(faults):
                drawn = rng.choices(list(FAULTS), [w for _, w in FAULTS.values()])[0]
                name = chosen[number] if chosen else drawn
                began = time.monotonic()
                FAULTS[name][0](scene)
                done.append({"fault": name, "at": time.monotonic()})
                console.print(
                    f"{number + 1:4}/{faults}  {name}  ({time.monotonic() - began:.1f} s)"
                )
                _pause(rng.uniform(1.0, 4.0), group)
            load.terminate()
            if load.wait(120):
                raise RuntimeError(
                    f"the generator failed: {(home / 'load.log').read_text()[-2000:]}"
                )
            _drain(where, declared, group)
        finally:
            if load.poll() is None:
                load.kill()
            watch.close()
            group.stop()
        if watch.failed:
            raise watch.failed
        report = loadgen.verify.verify(ROOT, where, declared, home / "ledger")
        report.show(console)
        summary = json.loads((home / "ledger/summary.json").read_text())
        return _report(seed, done, watch, report, summary, declared.delivery.guarantee)


def _load(home: Path, seed: int, rate: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "headrace.cli.main", "load", "--json", "--seed", str(seed)]
    command += ["--rate", str(rate), "--users", "5000", "--ledger", str(home / "ledger")]
    with (home / "load.log").open("wb") as log:
        return subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)


def _pause(seconds: float, group: Workers) -> None:
    """Let time pass with workers looked after."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        group.check()
        time.sleep(0.05)


def _drain(where: Endpoints, declared: Topology, group: Workers) -> None:
    deadline = time.monotonic() + DRAIN_S
    while any(lag.behind for lag in loadgen.verify.lags(where, declared).values()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not drained after {DRAIN_S:.0f} s")
        _pause(0.5, group)


def _report(
    seed: int,
    done: list[dict[str, Any]],
    watch: Watch,
    report: loadgen.verify.Report,
    summary: dict[str, Any],
    guarantee: str,
) -> dict[str, Any]:
    recovered = sorted(r for f in done if (r := watch.recovery(f["at"])) is not None)
    counts: dict[str, int] = {}
    for fault in done:
        counts[fault["fault"]] = counts.get(fault["fault"], 0) + 1
    return {
        "seed": seed,
        "guarantee": guarantee,
        "faults": counts,
        "events": sum(t["sent"] for t in summary["events"].values()),
        "compared": report.compared,
        "differing": report.differing,
        "verified": report.verified,
        "recovery_seconds": {
            "p50": round(statistics.median(recovered), 2),
            "p95": round(recovered[int(0.95 * (len(recovered) - 1))], 2),
            "max": round(recovered[-1], 2),
        }
        if recovered
        else None,
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos")
    parser.add_argument("--faults", type=int, default=200)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 32))
    parser.add_argument("--rate", type=float, default=4_000.0)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    console = Console(width=110)
    console.print(f"seed {args.seed}")
    report = play(args.seed, args.faults, args.rate, args.workers, console)
    console.print_json(data=report)
    console.print(f"workers' log: {state_dir(ROOT)}/workers.log")
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    return 0 if report["verified"] else 1


if __name__ == "__main__":
    sys.exit(main())
