"""J4: every event to ClickHouse, with an aggregating view, exactly once.

CPU is told for the worker's own process, and for ClickHouse's apart. A run counts when the table
has a row of each event and the view the right sums.
"""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import clickhouse_connect
import yaml
from rich.console import Console
from rich.table import Table

from bench import contract
from bench.compare import Topics, spread, task
from bench.cost import Share, clear
from bench.events import Filled
from bench.process import ROOT, contestant, result_of
from headrace import topology
from headrace.cli.apply import apply_all
from headrace.endpoints import Endpoints
from headrace.frame import Frame
from headrace.topology import Topology
from headrace.writes import Rows, Writes


# ---- what the user writes
def every(frame: Frame) -> Writes:
    return Writes((Rows("payments", frame.df),))


# ----

VIEW = {
    "columns": {
        "minute": "DateTime('UTC')",
        "type": "LowCardinality(String)",
        "events": "SimpleAggregateFunction(sum, UInt64)",
        "amount": "SimpleAggregateFunction(sum, Decimal(38, 2))",
    },
    "order_by": ["minute", "type"],
    "from": {
        "payments": (
            "SELECT toStartOfMinute(occurred_at) AS minute, type, count() AS events, "
            "sum(toDecimal128(p.amount, 2)) AS amount FROM payments AS p GROUP BY minute, type"
        )
    },
}


def project(folder: Path, topic: str) -> Topology:
    """Make ``folder`` a project of one topic, one agent, one table and one view."""
    name = f"bench_{uuid.uuid4().hex[:8]}"
    declared = {
        "version": 1,
        "name": name,
        "defaults": {"partitions": contract.PARTITIONS},
        "topics": {topic: {"schema": "payments", "key": "user_id"}},
        "agents": {
            "every": {
                "function": "bench.rows:every",
                "reads": [topic],
                "writes": {"tables": ["payments"]},
            }
        },
        "clickhouse": {
            "database": name,
            "tables": {"payments": {"topic": topic, "order_by": ["type", "occurred_at"]}},
            "views": {"by_minute": VIEW},
        },
        "redis": {"prefix": name},
    }
    (folder / topology.FILE).write_text(yaml.safe_dump(declared, sort_keys=False))
    (folder / "schemas").symlink_to(ROOT / "schemas")
    return topology.load(folder)


def one(where: Endpoints, filled: Filled, timeout: float = 900) -> dict[str, Any]:
    """A run over a topic, proved. Raises RuntimeError when the answer is wrong."""
    with tempfile.TemporaryDirectory(prefix="headrace-bench-") as folder:
        declared = project(Path(folder), filled.topic.name)
        apply_all(Path(folder), declared, where)
        try:
            usage = Share()
            figures = result_of("Headrace", contestant("headrace_sinks", folder), timeout)
            usage.stop()
            _prove(where, declared, filled)
        finally:
            clear(where, declared)
    figures.pop("answer")
    return figures | {"clickhouse_cpu_seconds": usage.services["clickhouse"]}


def _prove(where: Endpoints, declared: Topology, filled: Filled) -> None:
    database = declared.clickhouse.database
    with closing(clickhouse_connect.get_client(dsn=where.clickhouse)) as client:
        rows = client.query(f"SELECT count() FROM {database}.payments").result_rows[0][0]
        answer = contract.minutes(groups(client, declared))
    if rows != filled.events or answer != filled.truth.answer("minutes"):
        raise RuntimeError(f"wrong rows: {rows:,} of {filled.events:,}, view {str(answer)[:300]}")


def groups(client: Any, declared: Topology) -> list[tuple[int, str, int, int]]:
    """What the view holds: minute in ms, type, events, cents."""
    found = client.query(
        f"SELECT toUnixTimestamp(minute) * 1000, toString(type), sum(events), "
        f"toInt64(sum(amount) * 100) FROM {declared.clickhouse.database}.by_minute "
        f"GROUP BY minute, type"
    )
    return list(found.result_rows)


def measure(
    topics: Topics, where: Endpoints, events: int, repeat: int, console: Console
) -> dict[str, Any]:
    """Run ``repeat`` times over a topic of ``events``."""
    filled = topics.get(task("minutes"), events)
    runs = []
    for _ in range(repeat):
        runs.append(one(where, filled))
        per_cpu = runs[-1]["events"] / runs[-1]["cpu_seconds"]
        console.print(f"  rows: {per_cpu:,.0f} events per CPU-second of the worker")
    return summarise(runs)


def summarise(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Least, median and most of each figure."""
    return {
        "events": runs[0]["events"],
        "per_cpu_second": spread(r["events"] / r["cpu_seconds"] for r in runs),
        "clickhouse_per_cpu_second": spread(
            r["events"] / r["clickhouse_cpu_seconds"] for r in runs
        ),
        "per_second": spread(r["events"] / r["wall_seconds"] for r in runs),
        "peak_rss_bytes": max(r["peak_rss_bytes"] for r in runs),
        "runs": list(runs),
    }


def show(rows: dict[str, Any], console: Console) -> None:
    """Print the table."""
    table = Table(title=f"J4: {rows['events']:,} events to ClickHouse with a view, exactly once")
    for head in ("", "min", "median", "max"):
        table.add_column(head, justify="right" if head else "left")
    for title, name in (
        ("per CPU-second of the worker", "per_cpu_second"),
        ("per CPU-second of ClickHouse", "clickhouse_per_cpu_second"),
        ("events/s", "per_second"),
    ):
        table.add_row(title, *(f"{rows[name][part]:,}" for part in ("min", "median", "max")))
    console.print(table)
