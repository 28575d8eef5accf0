"""Replay of one view: ``python -m bench.replay --events N``, proved against a recount.

The topic is filled, no worker has been there, and ``headrace replay`` builds the view from the log
in a process of its own. What is told is of the copying; CPU is that of the command, of Kafka and of
ClickHouse. A run counts when the view holds what was sent.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import clickhouse_connect
from rich.console import Console

from bench import contract, rows
from bench.__main__ import machine, services
from bench.compare import Topics, task
from bench.cost import Share, clear
from bench.events import Filled
from bench.process import ROOT
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.lifeline import die_with_parent
from headrace.topology import Topology

VIEW = "by_minute"


def one(
    where: Endpoints, filled: Filled, parallel: int, range_rows: int, profile: str | None
) -> dict[str, Any]:
    """A replay of the whole topic, proved. Raises RuntimeError when the view is wrong."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        declared = rows.project(Path(folder), filled.topic.name)
        apply_all(Path(folder), declared, where)
        try:
            usage, begin = Share(), time.perf_counter()
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            found = _replay(folder, parallel, range_rows, profile)
            after = resource.getrusage(resource.RUSAGE_CHILDREN)
            seconds = time.perf_counter() - begin
            usage.stop()
            _prove(where, declared, filled)
        finally:
            clear(where, declared)
    return {
        "events": filled.events,
        "copying_seconds": found["seconds"],
        "per_second": found["per_second"],
        "all_seconds": round(seconds, 1),
        "cpu_seconds": {
            "replay": round(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, 1),
            **{name: round(used, 1) for name, used in usage.services.items()},
        },
        "others_cpu_share": usage.others,
        "peak_rss_bytes": after.ru_maxrss * 1024,
    }


def _replay(folder: str, parallel: int, range_rows: int, profile: str | None) -> dict[str, Any]:
    command = [sys.executable, "-m", "headrace.cli.main", "replay", VIEW, "--switch", "--json"]
    command += ["--parallel", str(parallel), "--rows", str(range_rows), "--wait", "0"]
    if profile is not None:
        command = [profile, "record", "-t", "-o", "profile.txt", "-f", "raw", "--", *command]
    said = subprocess.run(
        command, cwd=folder, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True,
        text=True, check=False, preexec_fn=die_with_parent,
    )  # fmt: skip
    if said.returncode:
        raise RuntimeError(f"no replay: {said.stderr[-3000:]}")
    if profile is not None:
        (Path.cwd() / "profile.txt").write_bytes((Path(folder) / "profile.txt").read_bytes())
    lines = said.stdout.splitlines()
    return dict(json.loads(next(line for line in lines if line.startswith("{"))))


def _prove(where: Endpoints, declared: Topology, filled: Filled) -> None:
    with closing(clickhouse_connect.get_client(dsn=where.clickhouse)) as client:
        answer = contract.minutes(rows.groups(client, declared))
    if answer != filled.truth.answer("minutes"):
        raise RuntimeError(f"wrong view: {str(answer)[:300]}")


def main(argv: Sequence[str] | None = None) -> None:
    """Parse arguments, measure, print, and write JSON if asked."""
    parser = argparse.ArgumentParser(prog="python -m bench.replay")
    parser.add_argument("--events", type=int, default=5_000_000)
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=4)
    parser.add_argument("--rows", type=int, default=131_072, help="offsets inserted at once")
    parser.add_argument("--py-spy", help="this py-spy writes profile.txt of the last run")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    console = Console(width=120)
    report: dict[str, Any] = {**machine(), "runs": []}
    with services() as where:
        filled = Topics(where.kafka, console).get(task("minutes"), args.events)
        for _ in range(args.repeat):
            found = one(where, filled, args.parallel, args.rows, args.py_spy)
            report["runs"].append(found)
            console.print(found)
    if args.json:
        args.json.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
