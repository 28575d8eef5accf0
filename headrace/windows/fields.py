"""What every event of sessions and joins has, beside what is declared: names, types, order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import polars as pl

EVENT_TIME = pl.Datetime("ms", "UTC")


class Source(NamedTuple):
    """A field's type, and whether it can be null."""

    dtype: pl.DataType
    nullable: bool = False


#: A session, as it is after an event.
SESSION: Mapping[str, Source] = {
    "event_id": Source(pl.String()),
    "session_id": Source(pl.String()),
    "version": Source(pl.Int64()),
    "retracted": Source(pl.Boolean()),
    "late": Source(pl.Boolean()),
    "started_at": Source(EVENT_TIME),
    "ended_at": Source(EVENT_TIME),
    "length_ms": Source(pl.Int64()),
    "events": Source(pl.Int64()),
}
#: An event of one side of a join.
SIDE: Mapping[str, Source] = {
    "event_id": Source(pl.String()),
    "key": Source(pl.String()),
    "side": Source(pl.String()),
    "occurred_at": Source(EVENT_TIME),
    "source_partition": Source(pl.Int32()),
    "source_offset": Source(pl.Int64()),
    "item": Source(pl.Int32()),
    "payload": Source(pl.String(), nullable=True),
}
#: The result of a join: an event and what matches it.
RESULT: Mapping[str, Source] = {
    "event_id": Source(pl.String()),
    "pair_id": Source(pl.String()),
    "result_id": Source(pl.String()),
    "version": Source(pl.Int64()),
    "retracted": Source(pl.Boolean()),
    "late": Source(pl.Boolean()),
    "matched": Source(pl.Boolean()),
    "occurred_at": Source(EVENT_TIME),
    "matched_at": Source(EVENT_TIME, nullable=True),
}
