"""``python -m bench``: Headrace beside idiomatic Faust and raw consume, in one run.

After the contestants comes what exactly once costs with the real sinks (``bench.cost``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench import cost
from bench.events import digest, fill
from bench.process import ROOT, result_of
from headrace import stack, topology
from headrace.endpoints import STATE_DIR, Endpoints


@dataclass(frozen=True)
class Contestant:
    """A program that consumes a topic and prints a RESULT line."""

    name: str
    argv: tuple[str, ...]
    source: str
    slow: bool = False  # gets the small topic: the first events of the large one
    answers: bool = False


CONTESTANTS = (
    Contestant("raw confluent-kafka consume", ("raw_confluent",), "raw_confluent.py"),
    Contestant("raw aiokafka getmany", ("raw_aiokafka",), "raw_aiokafka.py"),
    Contestant("Headrace, decode", ("headrace_blocks", "decode"), "headrace_blocks.py"),
    Contestant(
        "Headrace, decode + minute sums", ("headrace_blocks", "minutes"), "headrace_blocks.py",
        answers=True,
    ),
    Contestant("Faust, decode", ("faust_decode",), "faust_decode.py", slow=True),
    Contestant(
        "Faust, decode + tumbling tables", ("faust_minutes",), "faust_minutes.py", slow=True,
        answers=True,
    ),
)  # fmt: skip


def user_lines(source: str) -> int:
    """Lines between the marks: what a user of the library writes."""
    text = (Path(__file__).parent / "contestants" / source).read_text(encoding="utf-8")
    inside, count = False, 0
    for line in text.splitlines():
        if line.strip().startswith("# ----"):
            inside = "what the user writes" in line
        elif inside and line.strip():
            count += 1
    return count


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


def measure(
    where: Endpoints,
    events: int,
    slow_events: int,
    repeat: int,
    console: Console,
    timeout: float = 900,
) -> dict[str, Any]:
    """Run all contestants in alternating order and check their answers."""
    runs: dict[str, list[dict[str, Any]]] = {c.name: [] for c in CONTESTANTS}
    console.print(f"Filling topics with {events:,} and {slow_events:,} events …")
    answer, size = fill(where.kafka, "bench", events)
    slow_answer, _ = fill(where.kafka, "bench-small", slow_events)
    for turn in range(repeat):
        for contestant in CONTESTANTS if turn % 2 == 0 else reversed(CONTESTANTS):
            topic, count = ("bench-small", slow_events) if contestant.slow else ("bench", events)
            module, *job = contestant.argv
            args = (*job, where.kafka, topic, str(count))
            result = result_of(contestant.name, module, *args, timeout=timeout)
            if contestant.answers:
                expected = digest(slow_answer if contestant.slow else answer)
                if dict(sorted(result["answer"].items())) != expected:
                    raise RuntimeError(f"{contestant.name}: wrong answer")
            result.pop("answer")
            runs[contestant.name].append(result)
            per_cpu = result["events"] / result["cpu_seconds"]
            console.print(f"  {contestant.name}: {per_cpu:,.0f} events per CPU-second")
    return {"value_bytes": round(size, 1), "runs": runs}


def summarise(measured: dict[str, Any]) -> list[dict[str, Any]]:
    """min, median and max by contestant."""
    rows = []
    for contestant in CONTESTANTS:
        results = measured["runs"][contestant.name]
        per_cpu = [r["events"] / r["cpu_seconds"] for r in results]
        rows.append(
            {
                "name": contestant.name,
                "events": results[0]["events"],
                "per_cpu_second": {
                    "min": min(per_cpu),
                    "median": statistics.median(per_cpu),
                    "max": max(per_cpu),
                },
                "per_second": statistics.median(r["events"] / r["wall_seconds"] for r in results),
                "peak_rss_bytes": max(r["peak_rss_bytes"] for r in results),
                "user_lines": user_lines(contestant.source),
                "answer_checked": contestant.answers,
            }
        )
    return rows


def show(rows: list[dict[str, Any]], console: Console) -> None:
    """Print the table; ratios are of medians, to idiomatic Faust's tumbling tables."""
    base = rows[-1]["per_cpu_second"]["median"]
    table = Table(title="Events per CPU-second of the process")
    for column in ("contestant", "min", "median", "max", "× Faust tables", "events/s", "peak MiB"):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for row in rows:
        cpu = row["per_cpu_second"]
        table.add_row(
            row["name"], f"{cpu['min']:,.0f}", f"{cpu['median']:,.0f}", f"{cpu['max']:,.0f}",
            f"{cpu['median'] / base:,.1f}", f"{row['per_second']:,.0f}",
            f"{row['peak_rss_bytes'] / 2**20:,.0f}",
        )  # fmt: skip
    console.print(table)


def parse(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument(
        "--only", choices=("contestants", "cost"), help="one of the two parts; default: both"
    )
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--slow-events", type=int, default=60_000, help="for idiomatic Faust")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument(
        "--sink-events", type=int, default=1_000_000, help="for the cost of exactly once"
    )
    parser.add_argument("--pairs", type=int, default=5, help="of runs, for the same")
    parser.add_argument(
        "--max-rows", type=int, help="of a block, for the same; default: as the topology says"
    )
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


def main() -> None:
    """Parse arguments, measure, print, and write JSON if asked."""
    args = parse()
    console = Console(width=110)
    report = machine()
    with services() as where:
        if args.only != "cost":
            measured = measure(where, args.events, args.slow_events, args.repeat, console)
            rows = summarise(measured)
            show(rows, console)
            report |= {"value_bytes": measured["value_bytes"], "contestants": rows}
            report["runs"] = measured["runs"]
        if args.only != "contestants":
            console.print(f"Filling the shop's topics with {args.sink_events:,} events …")
            sent = cost.fill(where, topology.load(ROOT), args.sink_events)
            pairs = cost.measure(where, sent, args.pairs, console, args.max_rows)
            report["exactly_once_cost"] = cost.summarise(pairs) | {"max_rows": args.max_rows}
            cost.show(report["exactly_once_cost"], console)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
