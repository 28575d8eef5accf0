"""The project itself: the load generator's shop, its views replayed meanwhile, and `verify`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from rich.console import Console

import loadgen.verify
from headrace import topology
from headrace.cli.apply import apply_all
from headrace.delivery.crash import POINTS
from tests.chaos.faults import Scene
from tests.chaos.subjects.subject import Plan, Proof

ROOT = Path(__file__).resolve().parents[3]


class Shop:
    """See ``Subject``."""

    points = POINTS

    def __init__(self, plan: Plan) -> None:
        self.root = ROOT
        self.declared = topology.load(ROOT)
        self._plan = plan
        self._ledger = plan.home / "ledger"
        self._load: subprocess.Popen[bytes] | None = None
        apply_all(ROOT, self.declared, plan.where)

    def begin(self) -> None:
        """See ``Subject``."""
        command = [sys.executable, "-m", "headrace.cli.main", "load", "--json"]
        command += ["--seed", str(self._plan.seed), "--rate", str(self._plan.rate)]
        command += ["--users", "5000", "--ledger", str(self._ledger), "--bad-ratio", "0.001"]
        with (self._plan.home / "load.log").open("wb") as log:
            self._load = subprocess.Popen(
                command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True
            )

    def end(self, scene: Scene) -> None:
        """See ``Subject``."""
        assert self._load is not None
        self._load.terminate()
        if self._load.wait(120):
            log = (self._plan.home / "load.log").read_text()
            raise RuntimeError(f"the generator failed: {log[-2000:]}")

    def prove(self, scene: Scene, console: Console) -> Proof:
        """See ``Subject``."""
        report = loadgen.verify.verify(ROOT, scene.where, scene.declared, self._ledger)
        report.show(console)
        summary = json.loads((self._ledger / "summary.json").read_text())
        sent = sum(topic["sent"] for topic in summary["events"].values())
        return Proof(sent, report.compared, report.differing, report.notes, report.verified)

    def close(self) -> None:
        """See ``Subject``."""
        if self._load is not None and self._load.poll() is None:
            self._load.kill()
            self._load.wait()
