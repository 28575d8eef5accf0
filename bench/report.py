"""``python -m bench.report``: docs/performance.md and its plots from the recorded run.

What stands between the marks of a section is written here; the rest of the page is prose.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from bench.field import HEADRACE
from bench.process import ROOT

RECORDED = ROOT / "bench" / "results" / "recorded.json"
PAGE = ROOT / "docs" / "performance.md"
PLOTS = ROOT / "docs" / "performance"
OURS, THEIRS = "#1f6feb", "#9aa4b2"

Report = Mapping[str, Any]


def machine(report: Report) -> str:
    """Where it was measured, and with what."""
    machine = report["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in report["versions"].items())
    return (
        f"{machine['cpus']} CPUs, {machine['system']} {machine['architecture']}, Python "
        f"{report['python']}; {versions}."
    )


def tasks(report: Report) -> str:
    """A table for each job, the plot behind it."""
    parts = []
    for name, task in report["tasks"].items():
        rows = [
            [
                f"**{row['name']}**" if row["name"] == HEADRACE else row["name"],
                f"{row['events']:,}",
                *(f"{row['per_cpu_second'][part]:,}" for part in ("min", "median", "max")),
                "" if row["ratio"] is None else f"{row['ratio']:,.1f}",
                f"{row['per_second']:,}",
                f"{row['peak_rss_bytes'] / 2**20:,.0f}",
                str(row["user_lines"] or ""),
            ]
            for row in task["contestants"]
        ]
        heads = ["", "events", "min", "median", "max", "Headrace ×", "events/s", "MiB", "lines"]
        parts.append(f"### {task['title']}\n\n{_table(heads, rows)}")
        if len(rows) > 2:
            parts.append(f"![{task['title']}](performance/{name}.svg)")
    return "\n\n".join(parts)


def rows(report: Report) -> str:
    """J4."""
    found = report["rows"]
    titles = {
        "per_cpu_second": "per CPU-second of the worker",
        "clickhouse_per_cpu_second": "per CPU-second of ClickHouse",
        "per_second": "events/s by the wall",
    }
    lines = [
        [title, *(f"{found[name][part]:,}" for part in ("min", "median", "max"))]
        for name, title in titles.items()
    ]
    return _table([f"{found['events']:,} events", "min", "median", "max"], lines)


def sustained(report: Report) -> str:
    """J5."""
    return _steady([report["sustained"]])


def freshness(report: Report) -> str:
    """Probes at two rates."""
    lines = []
    for found in report["freshness"]:
        for store in ("redis", "clickhouse"):
            ms = found["freshness_ms"][store]
            lines.append(
                [f"{found['asked_rate']:,.0f}", str(found["partitions"]), store]
                + [f"{ms[part]:,.0f}" for part in ("p50", "p95", "p99", "max")]
                + [f"{found['freshness_ms']['sent']:,}"]
            )
    heads = ["events/s", "partitions", "store", "p50 ms", "p95 ms", "p99 ms", "max ms", "probes"]
    return _table(heads, lines) + "\n\n" + _steady(report["freshness"])


def cost(report: Report) -> str:
    """What exactly once costs."""
    found = report["exactly_once_cost"]
    titles = {
        "per_second": "events/s",
        "per_cpu_second": "per CPU-second of the worker",
        "per_cpu_second_of_all": "per CPU-second of worker and services",
    }
    lines = []
    for name, title in titles.items():
        medians = [
            f"{found['guarantees'][g][name]['median']:,.0f}"
            for g in ("exactly_once", "at_least_once")
        ]
        ratio = found["ratio"][name]
        spread = f"{ratio['median']:.3f} ({ratio['min']:.3f} to {ratio['max']:.3f})"
        lines.append([title, *medians, spread])
    heads = [f"{found['pairs']} pairs of runs", "exactly once", "at least once", "ratio by pair"]
    return _table(heads, lines)


def growth(report: Report) -> str:
    """What cost grows with."""
    found = report["growth"]
    heads = ["partitions", "events", "per CPU-second", "of the first", "events/s", "MiB"]
    parts = [
        _table(heads, [_grown(row, rows[0]) for row in rows])
        for rows in (found["partitions"], found["events"])
    ]
    first = found["fields"][0]["bytes_per_cpu_second"]["median"]
    lines = [
        [
            str(row["fields"]),
            str(row["record_bytes"]),
            f"{row['bytes_per_cpu_second']['median'] / 1e6:,.0f}",
            f"{row['bytes_per_cpu_second']['median'] / first:.0%}",
        ]
        for row in found["fields"]
    ]
    fields = _table(["fields", "bytes a record", "MB per CPU-second", "of the first"], lines)
    idle = found["idle"]
    told = (
        f"Idle, with {idle['partitions']} partitions and no event for {idle['seconds']:.0f} s, a "
        f"worker takes {idle['cpus']:.1%} of a CPU."
    )
    return "\n\n".join([*parts, fields, told])


def _grown(row: Report, first: Report) -> list[str]:
    per_cpu = row["per_cpu_second"]["median"]
    return [
        str(row["partitions"]),
        f"{row['events']:,}",
        f"{per_cpu:,}",
        f"{per_cpu / first['per_cpu_second']['median']:.0%}",
        f"{row['per_second']['median']:,}",
        f"{row['peak_rss_bytes'] / 2**20:,.0f}",
    ]


def _steady(runs: Sequence[Report]) -> str:
    lines = []
    for run in runs:
        lag = run["lag_events"]
        memory = run["rss_mib"]["worker"]
        lines.append(
            [
                f"{run['asked_rate']:,.0f}",
                str(run["partitions"]),
                f"{run['events_per_second']:,}",
                f"{run['seconds']:,.0f}",
                f"{lag['first']:,} → {lag['last']:,} (most {lag['most']:,})",
                f"{memory['first']} → {memory['last']}",
                ", ".join(f"{role} {used:.2f}" for role, used in run["cpus"].items()),
            ]
        )
    heads = ["asked/s", "partitions", "applied/s", "s", "lag in events", "worker's MiB", "CPUs"]
    return _table(heads, lines)


def _table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    head = f"| {' | '.join(heads)} |\n| --- |{' ---: |' * (len(heads) - 1)}"
    return "\n".join([head, *(f"| {' | '.join(line)} |" for line in lines)])


SECTIONS: Mapping[str, Callable[[Report], str]] = {
    "machine": machine,
    "tasks": tasks,
    "rows": rows,
    "growth": growth,
    "sustained": sustained,
    "freshness": freshness,
    "cost": cost,
}


def fill(page: str, report: Report) -> str:
    """The page with its sections from the report. Raises ValueError if it lacks a section's marks,
    KeyError if the report lacks a part."""
    for name, write in SECTIONS.items():
        begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
        pattern = re.compile(f"{re.escape(begin)}.*?{re.escape(end)}", re.DOTALL)
        if not pattern.search(page):
            raise ValueError(f"docs/performance.md has no section {begin} … {end}")
        text = f"{begin}\n{write(report)}\n{end}"
        page = pattern.sub(lambda _, text=text: text, page)
    return page


def plot(task: Report, path: Path) -> None:
    """Bars of events per CPU-second, least to most; the same input gives the same file."""
    contestants = task["contestants"][::-1]
    figure = Figure(figsize=(7, 0.5 + 0.42 * len(contestants)), layout="constrained")
    axes = figure.subplots()
    medians = [row["per_cpu_second"]["median"] for row in contestants]
    errors = [
        [row["per_cpu_second"]["median"] - row["per_cpu_second"]["min"] for row in contestants],
        [row["per_cpu_second"]["max"] - row["per_cpu_second"]["median"] for row in contestants],
    ]
    names = [row["name"] for row in contestants]
    colors = [OURS if name == HEADRACE else THEIRS for name in names]
    bars = axes.barh(names, medians, xerr=errors, color=colors, ecolor="#57606a", capsize=2)
    axes.bar_label(bars, [f" {median:,}" for median in medians], fontsize=8)
    axes.set_xlabel("events per CPU-second of the process")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.margins(x=0.15)
    axes.spines[["top", "right"]].set_visible(False)
    with mpl.rc_context({"svg.hashsalt": "headrace"}):
        figure.savefig(path, metadata={"Date": None})


def main() -> None:
    """Write the page and the plots."""
    report = json.loads(RECORDED.read_text(encoding="utf-8"))
    PAGE.write_text(fill(PAGE.read_text(encoding="utf-8"), report), encoding="utf-8")
    PLOTS.mkdir(exist_ok=True)
    for name, task in report["tasks"].items():
        if len(task["contestants"]) > 2:
            plot(task, PLOTS / f"{name}.svg")


if __name__ == "__main__":
    main()
