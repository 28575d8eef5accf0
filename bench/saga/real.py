"""``python -m bench.saga.real``: the order saga on real services, its workers killed at random.

Kafka, Redis, ClickHouse and the workers are real; payments, stock and shipping are simulated by
``loadgen.fulfilment``, which keeps the books that the ends are compared with.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from bench.__main__ import services as stack
from bench.saga.shop import Shop
from bench.saga.until import Until
from bench.saga.wire import PROCESS
from loadgen.fulfilment import Faults, Services, orders

LATE_MS, DELAY_MS = 10_000, 200
#: Of a million orders a few lose more messages than a process sends again: those are resumed by an
#: operator, who looks when all have been placed and then each so many seconds.
OPERATOR_S = 60.0
#: Seconds that each state's timer waits: several times what an order takes when a worker dies.
TIMERS = dict.fromkeys(("authorising", "reserving", "shipping", "capturing", "cancelling"), 20.0)


def main() -> None:
    """Run and report; exit code 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.saga.real", description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--per-second", type=float, default=50.0)
    parser.add_argument("--failures", type=float, default=0.05, help="share, of each kind of fault")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--max-delay-ms", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    random, share = Random(asked.seed), asked.failures
    faults = Faults(share, share, share, share, share, DELAY_MS, LATE_MS)
    services = Services(faults, random)
    length_s = asked.orders / asked.per_second
    kills = sorted(random.uniform(2, length_s + 5) for _ in range(asked.kills))
    with tempfile.TemporaryDirectory(prefix="headrace-saga-") as folder, stack() as where:
        shop = Shop(Path(folder), where, max_delay_ms=asked.max_delay_ms, **TIMERS)
        workers = shop.workers(asked.workers)
        workers.start()
        began = time.monotonic()
        start_ms = time.time_ns() // 1_000_000
        placed = list(orders(asked.orders, random, faults, start_ms, asked.per_second))
        runner = shop.runner(services, faults, random)
        until = Until(
            shop, workers, len(placed),
            kills=kills, calm_s=2 * LATE_MS / 1_000, wait_s=length_s * 4 + 600, tell=_tell,
        )  # fmt: skip
        operator = Operator(shop, began + length_s)

        def done() -> bool:
            operator.look()
            return until()

        try:
            runner.run(placed, done)
            seconds = time.monotonic() - began
            wrong, ends = shop.wrong(services, placed), Counter(shop.ends().values())
            moves = shop.moves()
        except BaseException:
            print((Path(folder) / "workers.log").read_text(encoding="utf-8")[-5_000:])
            raise
        finally:
            workers.stop()
            runner.close()
    report = {
        "orders": len(placed), "kills": until.killed, "seconds": round(seconds, 1),
        "ends": dict(ends), "commands": runner.handled, "transitions": moves,
        "resumed": operator.resumed, "sums": dict(services.books.sums),
        "wrong": wrong[:20], "count_wrong": len(wrong),
    }  # fmt: skip
    print(json.dumps(report, indent=1))
    if asked.json:
        asked.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(f"{len(wrong)} wrong" if wrong else "All in a legal final state, sums equal.")
    sys.exit(1 if wrong else 0)


class Operator:
    """Looks for stuck orders now and then, from a moment on, and resumes them by the command."""

    def __init__(self, shop: Shop, at: float) -> None:
        self.resumed = 0
        self._shop, self._at = shop, at

    def look(self) -> None:
        """If it is time to."""
        if time.monotonic() < self._at:
            return
        command = [sys.executable, "-m", "headrace.cli.main", "process", "resume", PROCESS]
        said = subprocess.run(
            [*command, "--all", "--json"], cwd=self._shop.root, check=True, capture_output=True,
            text=True, env={**os.environ, **self._shop.env},
        )  # fmt: skip
        self.resumed += int(json.loads(said.stdout)["resumed"])
        self._at = time.monotonic() + OPERATOR_S


def _tell(seconds: float, ended: int, killed: int) -> None:
    print(f"{seconds:,.0f} s: {ended:,} ended, {killed} kills", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
