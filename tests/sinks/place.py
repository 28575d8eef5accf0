"""A small pipeline's declaration with names of its own, for tests of the sinks."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

import polars as pl

from headrace.sink import BlockRange
from headrace.topology.model import Topology
from headrace.writes import Kind, RedisOps, Rows, Writes

TOPIC = "events"
OTHER = "other"  # has a table and no keyspace
SCHEMA = {
    "type": "record",
    "name": "Event",
    "fields": [
        {"name": "user", "type": "string", "doc": "Who; it's quoted."},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "amount", "type": "long"},
    ],
}
KEYSPACES = {
    "counts": {"type": "hash", "located": True},
    "rings": {"type": "hash", "located": True, "ttl_hours": 2},
    "lasts": {"type": "hash", "located": True},
    "tops": {"type": "zset", "located": True, "ttl_hours": 1},
    "floats": {"type": "zset", "located": True},
}
VIEW = {
    "columns": {
        "user": "String",
        "events": "SimpleAggregateFunction(sum, UInt64)",
        "amount": "SimpleAggregateFunction(sum, Int64)",
    },
    "order_by": ["user"],
    "from": {
        "events": "SELECT user, count() AS events, sum(e.amount) AS amount "
        "FROM events AS e GROUP BY user"
    },
}
JANUARY_MS = 1_767_225_600_000
DAY_MS = 86_400_000


def declare(root: Path, schema: dict[str, Any] = SCHEMA, **clickhouse: Any) -> Topology:
    """A topology of one topic, written to one table with one view, and five keyspaces."""
    (root / "schemas").mkdir(exist_ok=True)
    (root / "schemas" / "event.avsc").write_text(json.dumps(schema))
    name = f"t{uuid.uuid4().hex[:10]}"
    tables = {"events": {"topic": TOPIC, "order_by": ["user", "at"]}}
    return Topology.model_validate(
        {
            "version": 1,
            "name": name,
            "topics": {name: {"schema": "event", "key": "user"} for name in (TOPIC, OTHER)},
            "agents": {
                "both": {
                    "function": "tests:none",
                    "reads": [TOPIC],
                    "writes": {"tables": ["events"], "keyspaces": list(KEYSPACES)},
                },
                "rows": {
                    "function": "tests:none",
                    "reads": [OTHER],
                    "writes": {"tables": ["events"]},
                },
            },
            "clickhouse": {
                "database": name,
                "tables": tables,
                "views": {"by_user": VIEW},
                **clickhouse,
            },
            "redis": {"prefix": name, "keyspaces": KEYSPACES},
        }
    )  # fmt: skip


def span(first: int, last: int, partition: int = 0) -> BlockRange:
    """A block's range of the topic."""
    return BlockRange(TOPIC, partition, first, last)


def rows(block: BlockRange, step_ms: int = 1_000) -> Rows:
    """One row a record; ``step_ms`` apart in event time."""
    offsets = pl.Series(range(block.first, block.last + 1), dtype=pl.Int64)
    frame = pl.DataFrame({"_offset": offsets}).select(
        pl.format("u{}", pl.col("_offset") % 7).alias("user"),
        (JANUARY_MS + pl.col("_offset") * step_ms).cast(pl.Datetime("ms", "UTC")).alias("at"),
        (pl.col("_offset") * 3 - 5).alias("amount"),
        pl.lit(block.partition, pl.Int32).alias("_partition"),
        "_offset",
    )
    return Rows("events", frame)


def counts(block: BlockRange) -> RedisOps:
    """One counter an offset, so that each shows how often its record was applied."""
    frame = pl.DataFrame(
        {
            "id": ["all"] * (block.last - block.first + 1),
            "field": [str(offset) for offset in range(block.first, block.last + 1)],
            "delta": [1] * (block.last - block.first + 1),
        },
        schema={"id": pl.String, "field": pl.String, "delta": pl.Int64},
    )
    return RedisOps(Kind.ADD, "counts", frame)


def both(block: BlockRange) -> Writes:
    """Every record once to the table and once to the counters."""
    return Writes((rows(block),), (counts(block),))
