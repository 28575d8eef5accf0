"""A small project with declarations: the shop's schemas, two topics with a raw table each."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
SESSIONS, ORDERS, REQUESTS = "shop.sessions", "shop.orders", "platform.requests"
_PLAIN: dict[str, Any] = {
    "version": 1,
    "name": "declaring",
    "topics": {
        SESSIONS: {"schema": "sessions", "key": "user_id"},
        ORDERS: {"schema": "orders", "key": "user_id"},
        REQUESTS: {"schema": "requests", "key": "tenant"},
    },
    "agents": {
        "analytics": {
            "function": "agents.analytics:analytics",
            "reads": [SESSIONS, ORDERS, REQUESTS],
            "writes": {"tables": ["sessions", "orders", "requests"]},
        }
    },
    "clickhouse": {
        "tables": {
            "sessions": {"topic": SESSIONS, "order_by": ["occurred_at"]},
            "orders": {"topic": ORDERS, "order_by": ["occurred_at"]},
            "requests": {"topic": REQUESTS, "order_by": ["occurred_at"]},
        }
    },
}


def plain(declared: dict[str, Any]) -> dict[str, Any]:
    """The topology with these declarations, as YAML has it."""
    return {**_PLAIN, "declared": declared}


def write(folder: Path, topology: dict[str, Any]) -> Path:
    """A project folder with this topology."""
    folder.mkdir(exist_ok=True)
    if not (folder / "schemas").exists():
        shutil.copytree(ROOT / "schemas", folder / "schemas")
    (folder / "topology.yaml").write_text(yaml.safe_dump(topology), encoding="utf-8")
    return folder
