"""A project whose customers have private fields: schema, topology, agent, and a ring in memory."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from headrace.frame import Frame
from headrace.schema.register import register
from headrace.writes import Kind, RedisOps, Rows, Writes

TOPIC = "shop.customers"
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Customer",
    "fields": [
        {"name": "user_id", "type": "string"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "order_id", "type": "string"},
        {"name": "email", "type": "string", "pii": True},
        {"name": "phone", "type": ["null", "string"], "default": None, "pii": True},
        {"name": "photo", "type": ["null", "bytes"], "default": None, "pii": True},
        {"name": "device", "type": ["null", "string"], "default": None, "pii": "pseudonym"},
    ],
}
TOPOLOGY: dict[str, Any] = {
    "version": 1,
    "name": "customers",
    "defaults": {"partitions": 2},
    "topics": {TOPIC: {"schema": "customers", "key": "user_id", "person": "user_id"}},
    "delivery": {"max_delay_ms": 50},
    "agents": {
        "keep": {
            "function": "tests.private.project:keep",
            "reads": [TOPIC],
            "writes": {"tables": ["customers"], "keyspaces": ["person", "order"]},
        }
    },
    "clickhouse": {
        "database": "customers",
        "tables": {"customers": {"topic": TOPIC, "order_by": ["user_id", "at"]}},
        "views": {
            "by_person": {
                "columns": {
                    "user_id": "String",
                    "events": "SimpleAggregateFunction(sum, UInt64)",
                },
                "order_by": ["user_id"],
                "from": {
                    "customers": "SELECT user_id, count() AS events FROM customers GROUP BY user_id"
                },
            },
            "totals": {
                "columns": {
                    "day": "Date",
                    "events": "SimpleAggregateFunction(sum, UInt64)",
                },
                "order_by": ["day"],
                "from": {
                    "customers": "SELECT toDate(at) AS day, count() AS events FROM customers "
                    "GROUP BY day"
                },
            },
        },
    },
    "redis": {
        "prefix": "cu",
        "keyspaces": {
            "person": {"type": "hash", "located": True, "person": "user_id"},
            "order": {"type": "hash", "located": False, "person": "order_id"},
        },
    },
}


def write(root: Path, topology: Mapping[str, Any] = TOPOLOGY, schema: Any = SCHEMA) -> None:
    """Write the project's files into an empty folder, schemas locked."""
    (root / "schemas").mkdir()
    (root / "schemas/customers.avsc").write_text(json.dumps(schema))
    (root / "topology.yaml").write_text(yaml.safe_dump(dict(topology)))
    register(root / "schemas")


def keep(frame: Frame) -> Writes:
    """Rows as they are; by person and by order how often each was seen."""
    ops = [
        RedisOps(
            Kind.ADD,
            keyspace,
            frame.df.select(
                pl.col(field).alias("id"),
                pl.lit("events").alias("field"),
                pl.lit(1, pl.Int64).alias("delta"),
            ),
        )
        for keyspace, field in (("person", "user_id"), ("order", "order_id"))
    ]
    return Writes((Rows("customers", frame.df),), tuple(ops))


def event(person: str, number: int = 0, **fields: Any) -> dict[str, Any]:
    """A customer's event as a producer is given it."""
    return {
        "user_id": person,
        "at": 1_767_225_600_000 + number,
        "order_id": f"order-of-{person}-{number}",
        "email": f"{person}@example.com",
        **fields,
    }


class MemoryStore:
    """Implements ``KeyStore`` without a server."""

    def __init__(self) -> None:
        self.entries: dict[str, str] = {}
        self.reads = 0

    def get(self, names: Sequence[str]) -> list[str | None]:
        self.reads += 1
        return [self.entries.get(name) for name in names]

    def add(self, entries: Mapping[str, str]) -> list[str]:
        return [self.entries.setdefault(name, entry) for name, entry in entries.items()]

    def replace(self, name: str, entry: str) -> None:
        self.entries[name] = entry

    def faults(self) -> list[str]:
        return []

    def close(self) -> None:
        pass
