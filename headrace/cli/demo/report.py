"""The demo's figures, for people."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.table import Table


def describe(report: dict[str, Any], console: Console) -> None:
    """Print what happened and whether the results were proven right."""
    table = Table(title="Demo", show_header=False, title_justify="left")
    table.add_row("events", f"{report['events']:,}")
    table.add_row("seconds from first sent to last applied", f"{report['seconds']:.1f}")
    table.add_row("events/s", f"{report['events_per_second']:,.0f}")
    for role, seconds in report["cpu_seconds"].items():
        rss = report["peak_rss_bytes"].get(role, 0) / 2**20
        table.add_row(f"CPU seconds, {role}", f"{seconds:.1f}   (peak {rss:,.0f} MiB)")
    for sink, quantiles in report["freshness_ms"].items():
        text = "   ".join(f"{name} {value:,} ms" for name, value in quantiles.items() if value)
        table.add_row(f"produced to visible, {sink}", text)
    table.add_row("dead letters", f"{sum(report['dead_letters'].values()):,}")
    table.add_row("items compared", f"{report['compared']:,}")
    table.add_row("items differing", f"{report['differing']:,}")
    console.print(table)
    if report["verified"]:
        console.print("[bold green]Verified:[/] ClickHouse and Redis hold exactly what was sent.")
    else:
        console.print("[bold red]Not verified:[/] see the differences above.")
