"""``python -m bench``: Headrace beside idiomatic Faust and raw consume, in one run."""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.events import digest, fill
from headrace import stack
from headrace.endpoints import STATE_DIR

ROOT = Path(__file__).resolve().parent.parent


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


def run(
    contestant: Contestant, bootstrap: str, topic: str, count: int, timeout: float = 900
) -> dict[str, Any]:
    """Run one contestant in a process of its own, for at most ``timeout`` seconds."""
    module, *job = contestant.argv
    command = [sys.executable, "-m", f"bench.contestants.{module}", *job, bootstrap, topic]
    process = subprocess.Popen(
        [*command, str(count)],
        cwd=ROOT,
        env={**os.environ, "PYTHONFAULTHANDLER": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGABRT)  # leaves the stacks of its threads in stderr
        out, err = process.communicate()
    for line in out.splitlines():
        _, mark, figures = line.partition("RESULT ")  # Faust's spinner may stand before it
        if mark:
            return dict(json.loads(figures))
    raise RuntimeError(f"{contestant.name} gave no result:\n{err[-3000:]}")


def measure(
    events: int, slow_events: int, repeat: int, console: Console, timeout: float = 900
) -> dict[str, Any]:
    """Run all contestants in alternating order and check their answers."""
    home = tempfile.mkdtemp(prefix="headrace-bench-")
    os.environ["HEADRACE_HOME"] = str(Path(home) / STATE_DIR)
    runs: dict[str, list[dict[str, Any]]] = {c.name: [] for c in CONTESTANTS}
    with stack.running(ROOT) as where:
        console.print(f"Filling topics with {events:,} and {slow_events:,} events …")
        answer, size = fill(where.kafka, "bench", events)
        slow_answer, _ = fill(where.kafka, "bench-small", slow_events)
        for turn in range(repeat):
            for contestant in CONTESTANTS if turn % 2 == 0 else reversed(CONTESTANTS):
                topic, count = (
                    ("bench-small", slow_events) if contestant.slow else ("bench", events)
                )
                result = run(contestant, where.kafka, topic, count, timeout)
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


def main() -> None:
    """Parse arguments, measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m bench")
    parser.add_argument("--events", type=int, default=2_000_000)
    parser.add_argument("--slow-events", type=int, default=60_000, help="for idiomatic Faust")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    console = Console(width=110)
    measured = measure(args.events, args.slow_events, args.repeat, console)
    rows = summarise(measured)
    show(rows, console)
    if args.json:
        packages = ("faust-streaming", "aiokafka", "confluent-kafka", "polars", "fastavro")
        report = {
            "machine": {"cpus": os.cpu_count(), "system": platform.system().lower(),
                        "architecture": platform.machine()},
            "python": platform.python_version(),
            "versions": {name: version(name) for name in packages},
            "value_bytes": measured["value_bytes"],
            "contestants": rows,
            "runs": measured["runs"],
        }  # fmt: skip
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
