"""The tables of docs/metrics.md. ``python -m tests.metrics.page`` writes them anew."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from headrace.metrics.listed import SERVING, WORKER, Metric

PAGE = Path(__file__).resolve().parents[2] / "docs/metrics.md"


def table(metrics: Sequence[Metric]) -> str:
    """A Markdown table, a row a metric."""
    rows = ["| name | type | unit | labels | meaning |", "| --- | --- | --- | --- | --- |"]
    for m in metrics:
        labels = ", ".join(f"`{label}`" for label in m.labels)
        rows.append(f"| `{m.name}` | {m.kind} | {m.unit} | {labels} | {m.meaning} |")
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    tables = iter([table(WORKER), table(SERVING)])
    pattern = re.compile(r"^\| name \| type .*?\n(?!\|)", re.MULTILINE | re.DOTALL)
    PAGE.write_text(pattern.sub(lambda _: next(tables) + "\n", PAGE.read_text()))
