"""Sections ``table.*``: rows, checksums of event ids and sums of money by partition."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from loadgen.ledger.crc import crc32
from loadgen.ledger.facts import Facts
from loadgen.rows import CATALOG, FLAGS, ORDERS, PAYMENTS, REQUESTS, SESSIONS, Rows

Ints = npt.NDArray[np.int64]


def _money(stream: str, rows: Rows) -> Ints:
    field = {
        ORDERS: "total",
        PAYMENTS: "amount",
        CATALOG: "price",
        SESSIONS: "price",  # of one unit; null is -1 here and counts 0
        REQUESTS: "latency",
    }
    if stream == FLAGS:
        return np.zeros(len(rows), np.int64)
    money: Ints = np.maximum(rows[field[stream]], 0)
    return money


class Table:
    """One raw table."""

    def __init__(self, partitions: int) -> None:
        # Python integers: they can't overflow. Columns: rows, crc, cents.
        self._sums = [[0, 0, 0] for _ in range(partitions)]

    def add(self, facts: Facts) -> None:
        crc = crc32(facts.event_ids)
        money = _money(facts.stream, facts.rows)
        for partition, sums in enumerate(self._sums):
            mine = facts.partitions == partition
            sums[0] += int(np.count_nonzero(mine))
            sums[1] += int(crc[mine].sum())
            sums[2] += int(money[mine].sum())

    def section(self) -> pl.DataFrame:
        """Partitions that hold any row."""
        schema = {"partition": pl.Int32, "rows": pl.Int64, "crc": pl.Int64, "cents": pl.Int64}
        found = [(p, *sums) for p, sums in enumerate(self._sums) if sums[0]]
        return pl.DataFrame(found, schema=schema, orient="row")
