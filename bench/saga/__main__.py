"""``python -m bench.saga``: many orders through the saga, and what became of money and stock.

Orders run in shards of simulated time, as partitions would: each has services, states and a log of
its own. Everything of a shard follows from its number and ``--seed``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from random import Random

from rich.console import Console
from rich.table import Table

from bench.saga.simulation import Simulation
from bench.saga.wire import PROCESS, PROJECT
from headrace import topology
from headrace.process.machine import compiled
from loadgen.fulfilment import Faults, Services, orders

SHARD = 20_000
START_MS = 1_772_366_400_000
#: Orders of a shard that are placed in a second, and the share of blocks that are repeated.
PER_SECOND, CRASHES = 100.0, 0.05


@dataclass
class Shard:
    """What became of some orders. ``wrong`` says what must not be."""

    counts: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    sums: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def shard(first: int, count: int, seed: int, failures: float) -> Shard:
    """Run some orders to their ends."""
    random, faults = Random(f"{seed}/{first}"), Faults.of(failures)
    services = Services(faults, random)
    machine = compiled(topology.load(PROJECT), PROCESS)
    placed = list(orders(count, random, faults, START_MS, PER_SECOND, first))
    simulation = Simulation(machine, services, faults, random, crashes=CRASHES, encode=False)
    seen = simulation.run(placed)
    found = Shard(sums=services.books.sums, wrong=services.books.wrong())
    found.counts.update(
        orders=count, events=seen.events, commands=seen.commands, blocks=seen.blocks,
        transitions=seen.transitions.total(), repeated=seen.repeated, stuck=seen.stuck,
        late=seen.late,
    )  # fmt: skip
    for order in placed:
        end = seen.ends.get(order.id, "still under way")
        found.ends[end] += 1
        if not services.books.legal(order, end):
            found.wrong.append(f"{order.id}: {end}")
    found.wrong += [f"{instance}: not forgotten" for instance in simulation.states]
    return found


def main() -> None:
    """Run and report; exit code 1 when anything is wrong."""
    parser = argparse.ArgumentParser(prog="python -m bench.saga", description=__doc__)
    parser.add_argument("--orders", type=int, default=20_000)
    parser.add_argument("--failures", type=float, default=0.05, help="share, of each kind of fault")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    firsts = range(0, asked.orders, SHARD)
    counts = [min(SHARD, asked.orders - first) for first in firsts]
    run = partial(shard, seed=asked.seed, failures=asked.failures)
    total, began = Shard(), time.monotonic()
    with ProcessPoolExecutor(asked.processes) as pool:
        for done, part in enumerate(pool.map(run, firsts, counts), 1):
            total.counts += part.counts
            total.ends += part.ends
            total.sums += part.sums
            total.wrong += part.wrong
            print(f"{done} of {len(counts)} shards", file=sys.stderr, flush=True)
    seconds = time.monotonic() - began
    report(total, seconds, as_json=asked.json)
    sys.exit(1 if total.wrong else 0)


def report(total: Shard, seconds: float, *, as_json: bool) -> None:
    """Print what was found."""
    parts = {"counts": total.counts, "ends": total.ends, "sums": total.sums}
    if as_json:
        told = {name: dict(part) for name, part in parts.items()}
        print(json.dumps({**told, "seconds": round(seconds, 1), "wrong": total.wrong[:20]}))
        return
    table = Table("", "", "", title=f"the order saga, {seconds:,.0f} s")
    for name, part in parts.items():
        for key, value in part.items():
            table.add_row(name, key, f"{value:,}")
    Console().print(table)
    for line in total.wrong[:20]:
        print(line)
    print(f"{len(total.wrong)} wrong" if total.wrong else "All in a legal final state, sums equal.")


if __name__ == "__main__":
    main()
