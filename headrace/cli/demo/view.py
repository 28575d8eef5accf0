"""The live terminal view."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from headrace.cli.demo.numbers import Numbers


@dataclass
class Moment:
    """What the view shows at one time."""

    seconds: float
    produced: int
    applied: int
    lag: Mapping[str, int]  # by topic, in offsets
    numbers: Numbers
    revenue: list[tuple[str, int, float]] = field(default_factory=list)  # minute, orders, revenue
    phase: str = ""
    page: str = ""  # address of the live page


def render(now: Moment, before: Moment | None) -> RenderableType:
    """Draw a moment; rates are over the time since ``before``."""
    span = now.seconds - before.seconds if before else 0.0
    rate_in = (now.produced - before.produced) / span if before and span > 0 else 0.0
    rate_out = (now.applied - before.applied) / span if before and span > 0 else 0.0
    head = Text.assemble(
        (f"{now.phase}   ", "bold"),
        f"{now.seconds:6.0f} s   in {rate_in:9,.0f}/s   applied {rate_out:9,.0f}/s   ",
        f"sent {now.produced:,}   applied {now.applied:,}",
    )
    lag = Table(title="Lag by topic (offsets)", title_justify="left")
    lag.add_column("topic")
    lag.add_column("lag", justify="right")
    for topic, behind in now.lag.items():
        lag.add_row(topic, f"{behind:,}")
    fresh = Table(title="Produced to visible (ms)", title_justify="left")
    for column in ("sink", "p50", "p95", "p99"):
        fresh.add_column(column, justify="left" if column == "sink" else "right")
    for sink, quantiles in now.numbers.freshness_ms().items():
        fresh.add_row(sink, *(f"{v:,}" if v is not None else "" for v in quantiles.values()))
    letters = sum(now.numbers.dead_letters.values())
    fresh.caption = f"dead letters {letters:,}   sink retries {sum(now.numbers.retries.values()):,}"
    revenue = Table(title="Orders by minute", title_justify="left")
    for column in ("minute (UTC)", "orders", "revenue"):
        revenue.add_column(column, justify="left" if column.startswith("m") else "right")
    for minute, orders, amount in now.revenue:
        revenue.add_row(minute, f"{orders:,}", f"{amount:,.2f}")
    row = Table.grid(padding=(0, 3))
    row.add_row(lag, fresh, revenue)
    return Group(head, row, Text.assemble("live page   ", (now.page, "bold")))
