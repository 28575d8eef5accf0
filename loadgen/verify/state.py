"""The state: named sections, each a table, as docs/ledger.md describes them."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from headrace.topology.model import Topology

State = Mapping[str, pl.DataFrame]

TABLE_VALUES = ("rows", "crc", "cents")
QUANTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99}


def keys_of(section: str, topology: Topology) -> list[str]:
    """Columns that identify a row of a section."""
    kind, _, name = section.partition(".")
    if kind == "table":
        return ["partition"]
    if kind == "view":
        return list(topology.clickhouse.views[name].order_by)
    return ["id", "field"]


def canonical(section: str, frame: pl.DataFrame, topology: Topology) -> pl.DataFrame:
    """Rows in order of their keys, with the column types that all sides share."""
    keys = keys_of(section, topology)
    casts = [
        pl.col(name).cast(
            pl.Float64
            if name in QUANTILES
            else pl.Int64
            if dtype.is_integer() or dtype.is_decimal()
            else pl.String
        )
        for name, dtype in frame.schema.items()
    ]
    return frame.select(casts).sort(keys)
