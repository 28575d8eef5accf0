"""``python -m bench.check``: has Headrace become slower beside what else ran in the same minute?

Ratios of events per CPU-second are compared with the recorded ones, never absolute figures: a
slower machine slows both sides. Each side counts with its best run, the one least disturbed. Exit
code 1 when a ratio has lost more than ``LOSS``.

    python -m bench.check [--short] [--record]
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from rich.table import Table

from bench import compare, rows
from bench.__main__ import machine, services
from bench.field import FIELD, HEADRACE
from bench.process import ROOT
from headrace.endpoints import Endpoints

RECORDED = ROOT / "bench" / "results" / "check.json"
LOSS = 0.3
#: (task of Headrace, task and name of whom it is divided by)
RATIOS = (
    ("decode", "consume", "aiokafka, getmany"),
    ("minutes", "consume", "aiokafka, getmany"),
    ("users", "consume", "aiokafka, getmany"),
    ("minutes", "minutes", "Faust"),
    ("rows", "consume", "aiokafka, getmany"),
)
PLAYERS = {HEADRACE, *(name for _, _, name in RATIOS)}
EVENTS, SLOW_EVENTS = 400_000, 20_000
RUNS, SHORT_RUNS = 7, 3

#: By task and name, events per CPU-second of the best run.
Best = Mapping[tuple[str, str], float]


def measure(where: Endpoints, repeat: int, console: Console) -> Best:
    """Run what the ratios need, ``repeat`` times each."""
    topics = compare.Topics(where.kafka, console)
    best: dict[tuple[str, str], float] = {}
    field = [player for player in FIELD if player.name in PLAYERS]
    for task in compare.TASKS:
        if task.name not in {name for ours, theirs, _ in RATIOS for name in (ours, theirs)}:
            continue
        runs = compare.measure(
            topics, task, lambda p: SLOW_EVENTS if p.slow else EVENTS, repeat, console, field
        )
        for name, results in runs.items():
            best[task.name, name] = max(r["events"] / r["cpu_seconds"] for r in results)
    found = rows.measure(topics, where, EVENTS, repeat, console)
    best["rows", HEADRACE] = found["per_cpu_second"]["max"]
    return best


def ratios(best: Best) -> dict[str, float]:
    """Headrace's figures divided by others'."""
    return {
        f"{ours} : {name}, {theirs}": round(best[ours, HEADRACE] / best[theirs, name], 4)
        for ours, theirs, name in RATIOS
    }


def losses(now: Mapping[str, float], recorded: Mapping[str, float]) -> dict[str, float]:
    """What share of each ratio is lost; negative where it has grown. Raises KeyError if one of
    those recorded was not measured."""
    return {name: 1 - now[name] / before for name, before in recorded.items()}


def show(now: Mapping[str, float], recorded: Mapping[str, float], console: Console) -> None:
    """Print the table."""
    table = Table(title="Ratios of events per CPU-second")
    for head in ("Headrace : other", "recorded", "now", "lost"):
        table.add_column(head, justify="left" if head.startswith("H") else "right")
    for name, lost in losses(now, recorded).items():
        style = "bold red" if lost > LOSS else ""
        table.add_row(name, f"{recorded[name]:.2f}", f"{now[name]:.2f}", f"{lost:.0%}", style=style)
    console.print(table)


def main(argv: list[str] | None = None, recorded: Path = RECORDED) -> int:
    """Measure and compare, or record."""
    parser = argparse.ArgumentParser(prog="python -m bench.check")
    parser.add_argument("--short", action="store_true", help="fewer runs, as in CI")
    parser.add_argument("--record", action="store_true", help="make these the recorded ratios")
    args = parser.parse_args(argv)
    console = Console(width=110)
    with services() as where:
        now = ratios(measure(where, SHORT_RUNS if args.short else RUNS, console))
    if args.record:
        held = machine() | {"ratios": now}
        recorded.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
        return 0
    before = json.loads(recorded.read_text(encoding="utf-8"))["ratios"]
    show(now, before, console)
    lost = {name: share for name, share in losses(now, before).items() if share > LOSS}
    for name, share in lost.items():
        console.print(f"[bold red]{name} has lost {share:.0%}, more than {LOSS:.0%}")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main())
