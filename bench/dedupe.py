"""``python -m bench.dedupe``: speed and memory of the filter of producers' repeats."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

from headrace.delivery.seen import Seen

#: Ids of 36 characters, as UUIDs have.
SHAPE = "0198c0de-aaaa-bbbb-cccc-{:012}"
CASES = ((1_000_000, 65_536), (1_000_000, 4_096), (200_000, 8_192), (200_000, 200))


def measure(window: int, rows: int, blocks: int) -> tuple[float, float]:
    """Ids per CPU-second, and bytes an id held, over some blocks of different ids."""
    seen = Seen(window)
    ids = [
        pl.Series([SHAPE.format(i) for i in range(b * rows, (b + 1) * rows)]) for b in range(blocks)
    ]
    began = time.process_time()
    for block, names in enumerate(ids):
        offsets = np.arange(block * rows, (block + 1) * rows)
        seen.repeats(names, offsets, int(offsets[-1]))
    return blocks * rows / (time.process_time() - began), seen.nbytes / len(seen)


def main() -> None:
    """Print the table."""
    table = Table("window", "rows a block", "ids per CPU-second", "bytes an id", title="dedupe")
    for window, rows in CASES:
        speed, size = measure(window, rows, min(2 * window // rows, 1_000))
        table.add_row(f"{window:,}", f"{rows:,}", f"{speed:,.0f}", f"{size:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
