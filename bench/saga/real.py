"""``python -m bench.saga.real``: the order saga on real services, its workers killed at random."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from random import Random

from bench.saga.shop import Shop
from bench.saga.until import Until
from headrace import stack
from loadgen.fulfilment import Faults, Services, orders

LATE_MS, DELAY_MS = 10_000, 200


def main() -> None:
    """Run and report; exit code 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.saga.real", description=__doc__)
    parser.add_argument("--orders", type=int, default=2_000)
    parser.add_argument("--per-second", type=float, default=50.0)
    parser.add_argument("--failures", type=float, default=0.05, help="share, of each kind of fault")
    parser.add_argument("--kills", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    random, share = Random(asked.seed), asked.failures
    faults = Faults(share, share, share, share, share, DELAY_MS, LATE_MS)
    services = Services(faults, random)
    length_s = asked.orders / asked.per_second
    kills = sorted(random.uniform(2, length_s + 5) for _ in range(asked.kills))
    with tempfile.TemporaryDirectory() as folder, stack.running(Path(folder) / "home") as where:
        root = Path(folder) / "project"
        root.mkdir()
        shop = Shop(root, where, authorising=4, reserving=4, shipping=4, capturing=4, cancelling=4)
        workers = shop.workers(2)
        workers.start()
        began = time.monotonic()
        start_ms = time.time_ns() // 1_000_000
        placed = list(orders(asked.orders, random, faults, start_ms, asked.per_second))
        runner = shop.runner(services, faults, random)
        try:
            until = Until(
                shop, workers, len(placed),
                kills=kills, calm_s=2 * LATE_MS / 1_000, wait_s=length_s * 4 + 600,
            )  # fmt: skip
            runner.run(placed, until)
            seconds = time.monotonic() - began
            wrong, ends = shop.wrong(services, placed), Counter(shop.ends().values())
        finally:
            workers.stop()
            runner.close()
    print(f"{len(placed):,} orders, {until.killed} kills, {seconds:,.0f} s: {dict(ends)}")
    print(f"{runner.handled:,} commands; {dict(services.books.sums)}")
    print("\n".join(wrong[:20]) or "All in a legal final state, sums equal.")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
