"""``python -m bench``: Headrace beside its peers, in one run.

After the peers comes what exactly once costs with the real sinks (``bench.cost``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console

from bench import bad, compare, cost, growth, rows, sustained
from bench.field import Contestant
from bench.process import ROOT
from headrace import stack, topology
from headrace.endpoints import STATE_DIR, Endpoints

PARTS = ("peers", "rows", "growth", "cost", "bad", "sustained", "freshness")
#: Probes of freshness a second.
PROBES = 10.0


@contextmanager
def services() -> Iterator[Endpoints]:
    """The three services on a folder of the bench's own; HEADRACE_HOME names it meanwhile."""
    before = os.environ.get("HEADRACE_HOME")
    with tempfile.TemporaryDirectory(prefix="headrace-bench-", ignore_cleanup_errors=True) as home:
        os.environ["HEADRACE_HOME"] = str(Path(home) / STATE_DIR)
        try:
            with stack.running(ROOT) as where:
                yield where
        finally:
            os.environ.pop("HEADRACE_HOME")
            if before is not None:
                os.environ["HEADRACE_HOME"] = before


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="parts; default: all")
    parser.add_argument(
        "--tasks", nargs="+", choices=[task.name for task in compare.TASKS],
        help="of the peers; default: all",
    )  # fmt: skip
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--slow-events", type=int, default=60_000, help="for the slow ones")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--sink-events",
        type=int,
        default=1_000_000,
        help="for the cost of exactly once, and of bad events",
    )
    parser.add_argument("--pairs", type=int, default=5, help="of runs, for the same")
    parser.add_argument(
        "--max-rows", type=int, help="of a block, for the same; default: as the topology says"
    )
    parser.add_argument("--rate", type=float, default=100_000.0, help="of the sustained load")
    parser.add_argument("--minutes", type=float, default=15.0, help="of the sustained load")
    parser.add_argument("--fresh-seconds", type=float, default=60.0, help="of each freshness run")
    parser.add_argument("--workers", type=int, default=1, help="processes, for these two")
    parser.add_argument("--json", type=Path)
    return parser.parse_args(argv)


def machine() -> dict[str, Any]:
    """Where the figures were measured, and with what."""
    packages = ("faust-streaming", "aiokafka", "confluent-kafka", "polars", "fastavro", "chdb")
    return {
        "machine": {
            "cpus": os.cpu_count(),
            "system": platform.system().lower(),
            "architecture": platform.machine(),
        },
        "python": platform.python_version(),
        "versions": {name: version(name) for name in packages},
    }


def peers(topics: compare.Topics, args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run the tasks asked for; print a table of each and return them."""
    found = {}
    for task in compare.TASKS:
        if args.tasks and task.name not in args.tasks:
            continue

        def events(player: Contestant) -> int:
            return int(args.slow_events if player.slow else args.events)

        runs = compare.measure(topics, task, events, args.repeat, console)
        summary = compare.summarise(task, runs)
        compare.show(task, summary, console)
        found[task.name] = {"title": task.title, "contestants": summary}
    return found


def steady(args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """J5: the whole topology at the asked rate."""
    with services() as where:
        found = sustained.run(
            where, args.rate, 60 * args.minutes, console, workers=args.workers, verify=True
        )
    sustained.show(found, console)
    return found


def fresh(args: argparse.Namespace, console: Console) -> list[dict[str, Any]]:
    """Freshness at half of J5's rate and at 1,000 events/s, there with fewer partitions, too."""
    found = []
    for rate, partitions in ((args.rate / 2, None), (1_000.0, None), (1_000.0, 1)):
        with services() as where:
            report = sustained.run(
                where, rate, args.fresh_seconds, console,
                workers=args.workers, partitions=partitions, probes=PROBES,
            )  # fmt: skip
        sustained.show(report, console)
        found.append(report)
    return found


def guarantees(where: Endpoints, args: argparse.Namespace, console: Console) -> dict[str, Any]:
    """What exactly once costs."""
    console.print(f"Filling the shop's topics with {args.sink_events:,} events …")
    sent = cost.fill(where, topology.load(ROOT), args.sink_events)
    pairs = cost.measure(where, sent, args.pairs, console, args.max_rows)
    found = cost.summarise(pairs) | {"max_rows": args.max_rows}
    cost.show(found, console)
    return found


def main() -> None:
    """Parse arguments, measure, print, and write JSON if asked, after each part."""
    args = parse()
    console = Console(width=120)
    report = machine()
    parts = args.only or PARTS

    def keep(part: str, found: Any) -> None:
        report[part] = found
        if args.json:
            args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")

    if {"peers", "rows", "growth", "cost"} & set(parts):
        with services() as where:
            topics = compare.Topics(where.kafka, console)
            if "peers" in parts:
                keep("tasks", peers(topics, args, console))
            if "rows" in parts:
                found = rows.measure(topics, where, args.events, args.repeat, console)
                rows.show(found, console)
                keep("rows", found)
            if "growth" in parts:
                found = growth.measure(topics, where, args.events, args.repeat, console)
                growth.show(found, console)
                keep("growth", found)
            if "cost" in parts:
                keep("exactly_once_cost", guarantees(where, args, console))
    if "bad" in parts:
        with services() as where:
            found = bad.summarise(bad.measure(where, args.sink_events, args.repeat, console))
        bad.show(found, console)
        keep("bad", found)
    if "sustained" in parts:
        keep("sustained", steady(args, console))
    if "freshness" in parts:
        keep("freshness", fresh(args, console))


if __name__ == "__main__":
    main()
