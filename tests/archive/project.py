"""A small project with names of its own on the session's services: one topic, one table, a view."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from headrace import topology
from headrace.endpoints import Endpoints
from headrace.frame import Frame
from headrace.schema.register import register
from headrace.workers import Workers
from headrace.writes import Rows, Writes
from loadgen.verify import lags
from tests.sinks.redis_servers import until

ROOT = Path(__file__).resolve().parents[2]
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Reading",
    "fields": [
        {"name": "event_id", "type": "string"},
        {"name": "meter", "type": "string"},
        {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {
            "name": "used",
            "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3},
        },
    ],
}
START_MS = 1_772_366_390_000


def keep(frame: Frame) -> Writes:
    """Readings as they are."""
    return Writes((Rows("readings", frame.df),))


def declared(name: str, topic: str, **more: Any) -> dict[str, Any]:
    """The topology."""
    return {
        "version": 1,
        "name": name,
        "defaults": {"partitions": 2},
        "topics": {
            topic: {
                "schema": "readings",
                "key": "meter",
                "dedupe": {"key": "event_id", "window": 1_000},
            }
        },
        "delivery": {"max_delay_ms": 50},
        "agents": {
            "keep": {
                "function": "tests.archive.project:keep",
                "reads": [topic],
                "writes": {"tables": ["readings"]},
            }
        },
        "clickhouse": {
            "database": name,
            "tables": {"readings": {"topic": topic, "order_by": ["meter", "occurred_at"]}},
            "views": {
                "by_meter": {
                    "columns": {
                        "meter": "String",
                        "readings": "SimpleAggregateFunction(sum, UInt64)",
                        "used": "SimpleAggregateFunction(sum, Decimal(38, 3))",
                        "most": "AggregateFunction(max, Decimal(12, 3))",
                    },
                    "order_by": ["meter"],
                    "from": {
                        "readings": "SELECT meter, count() AS readings, "
                        "sum(toDecimal128(r.used, 3)) AS used, maxState(r.used) AS most "
                        "FROM readings AS r GROUP BY meter"
                    },
                }
            },
        },
        "declared": {
            "totals": {
                "from": topic,
                "key": ["meter"],
                "fields": {
                    "readings": {"count": True},
                    "used": {"sum": "used"},
                    "most": {"max": "used"},
                    "last": {"last": "used"},
                    "hours": {"newest": "event_id", "n": 3},
                    "usual": {"quantiles": "used", "levels": [0.5, 0.9]},
                },
                "keep": "clickhouse",
            }
        },
        **more,
    }  # fmt: skip


class Project:
    """A folder and the topic's name."""

    def __init__(self, root: Path, **more: Any) -> None:
        self.root = root
        self.name = f"meters_{uuid.uuid4().hex[:10]}"
        self.topic = f"{self.name}.readings"
        (root / "schemas").mkdir()
        (root / "schemas/readings.avsc").write_text(json.dumps(SCHEMA))
        register(root / "schemas")
        self.write(**more)

    def write(self, **more: Any) -> None:
        """The topology, with these sections too."""
        text = yaml.safe_dump(declared(self.name, self.topic, **more))
        (self.root / "topology.yaml").write_text(text)

    def lines(self, events: Sequence[Mapping[str, Any]]) -> Path:
        """A file for ``headrace produce``."""
        file = self.root / "events.ndjson"
        file.write_text("\n".join(map(json.dumps, events)))
        return file

    @contextmanager
    def worker(self, where: Endpoints) -> Iterator[None]:
        """A worker, until it has applied all that is in the log."""
        workers = Workers(
            self.root, 1, log_file=self.root / "worker.log", env={"PYTHONPATH": str(ROOT)}
        )
        workers.start()
        try:
            yield
            shape = topology.load(self.root)
            until("all applied", lambda: not any(v.behind for v in lags(where, shape).values()), 90)
        finally:
            workers.stop()


def reading(number: int, meter: str, used: str, minutes: int = 0) -> dict[str, Any]:
    """One event."""
    return {
        "event_id": f"e{number}",
        "meter": meter,
        "occurred_at": START_MS + minutes * 60_000,
        "used": used,
    }
