"""When archived events happened, by a field of theirs: for who looks for them by time."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from headrace.block import Block
from headrace.frame import OFFSET
from headrace.schema import Codec, Registry


class EventTimes:
    """Reads one timestamp field of a topic's records; nothing else of them is decoded."""

    def __init__(self, registry: Registry, schema: str, field: str) -> None:
        """Raises ConfigError if the schema has no such field."""
        self._codec = Codec(registry, schema, [field])
        self._field = field

    def of(self, block: Block) -> Any:
        """One time a record (ms, UTC); null for a tombstone and for what can't be decoded."""
        df = self._codec.decode(block).df
        found = df[self._field].cast(pl.Datetime("ms", "UTC")).to_physical()
        times = np.zeros(len(block), np.int64)
        unknown = np.ones(len(block), bool)
        at = np.searchsorted(block.offsets, df[OFFSET].to_numpy())
        times[at] = found.fill_null(0).to_numpy()
        unknown[at] = found.is_null().to_numpy()
        return pa.array(times, mask=unknown).cast(pa.timestamp("ms", tz="UTC"))
