"""A small pipeline: one topic with a rule, repeats and private data, a table, views, Redis."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from headrace.frame import Frame
from headrace.schema.register import register
from headrace.writes import Kind, RedisOps, Rows, Writes

ROOT = Path(__file__).resolve().parents[2]
TOPIC = "traced.sales"
WINDOW = 1_000
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Sale",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "user_id", "type": "string"},
        {"name": "email", "type": ["null", "string"], "default": None, "pii": True},
        {"name": "amount", "type": "long"},
    ],
}
TOPOLOGY: dict[str, Any] = {
    "version": 1,
    "name": "traced",
    "defaults": {"partitions": 2},
    "topics": {
        TOPIC: {
            "schema": "sales",
            "key": "user_id",
            "person": "user_id",
            "dedupe": {"key": "event_id", "window": WINDOW},
            "rules": {
                "amount_not_negative": {"field": "amount", "min": 0, "on_failure": "dead_letter"}
            },
        }
    },
    "delivery": {"max_delay_ms": 50},
    "agents": {
        "keep": {
            "function": "tests.tracing.project:keep",
            "reads": [TOPIC],
            "writes": {"tables": ["sales"], "keyspaces": ["spent", "by:mail"]},
        }
    },
    "clickhouse": {
        "database": "traced",
        "tables": {
            "sales": {
                "topic": TOPIC,
                "order_by": ["user_id", "occurred_at"],
                "partition_by": "toYYYYMM(occurred_at)",
            }
        },
        "views": {
            "by_day": {
                "columns": {"day": "Date", "sales": "SimpleAggregateFunction(sum, UInt64)"},
                "order_by": ["day"],
                "from": {
                    "sales": "SELECT toDate(occurred_at) AS day, count() AS sales FROM sales "
                    "GROUP BY day"
                },
            },
            "large_by_user": {
                "columns": {"user_id": "String", "sales": "SimpleAggregateFunction(sum, UInt64)"},
                "order_by": ["user_id"],
                "from": {
                    "sales": "SELECT user_id, count() AS sales FROM sales WHERE amount > 100 "
                    "GROUP BY user_id"
                },
            },
        },
    },
    "redis": {
        "prefix": "traced",
        "keyspaces": {
            "spent": {"type": "hash", "located": True, "person": "user_id"},
            "by:mail": {"type": "hash", "located": False},
        },
    },
}


def write(root: Path) -> None:
    """Write the project's files into an empty folder, schemas locked."""
    (root / "schemas").mkdir()
    (root / "schemas/sales.avsc").write_text(json.dumps(SCHEMA))
    (root / "topology.yaml").write_text(yaml.safe_dump(TOPOLOGY))
    register(root / "schemas")


def keep(frame: Frame) -> Writes:
    """Rows as they are; what each user spent; and, unwisely, a key made of a private value."""
    one = pl.lit(1, pl.Int64)
    sold, mailed = frame.df, frame.df.filter(pl.col("email").is_not_null())
    spent = sold.select(
        pl.col("user_id").alias("id"),
        pl.lit("cents").alias("field"),
        pl.col("amount").alias("delta"),
    )
    by_mail = mailed.select(
        pl.col("email").alias("id"), pl.lit("sales").alias("field"), one.alias("delta")
    )
    return Writes(
        (Rows("sales", frame.df),),
        (RedisOps(Kind.ADD, "spent", spent), RedisOps(Kind.ADD, "by:mail", by_mail)),
    )


def sale(event_id: str, user: str = "ann", amount: int = 1250, **fields: Any) -> dict[str, Any]:
    """An event as a producer is given it."""
    return {
        "event_id": event_id,
        "occurred_at": "2026-03-01T10:00:00Z",
        "user_id": user,
        "amount": amount,
        **fields,
    }


class Commands:
    """``headrace`` in the project's folder, each a process of its own."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.err = ""

    def __call__(self, *args: str, stdin: str = "", code: int = 0, **env: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "headrace.cli.main", *args],
            cwd=self.root, env={**self.env, **env}, input=stdin, capture_output=True, text=True,
            timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode == code, (args, done.returncode, done.stdout, done.stderr)
        self.err = done.stderr
        return done.stdout

    def produce(self, *events: dict[str, Any], **env: str) -> dict[str, Any]:
        """Send events; what ``produce --json`` says."""
        lines = "\n".join(map(json.dumps, events))
        said: dict[str, Any] = json.loads(self("produce", TOPIC, "--json", stdin=lines, **env))
        return said
