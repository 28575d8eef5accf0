"""A small bank: balances by account, kept as state; an event at every third entry; holds.

``teller`` splits transfers into entries by account, ``balance`` keeps each account's state and
tells of every third entry and of each hold that ends, ``ledger`` and ``book`` write entries and
notices to tables.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import orjson
import yaml

from headrace.agent import States
from headrace.frame import Frame
from headrace.schema.register import register
from headrace.writes import Emit, Rows, State, Writes

EVERY = 3
WINDOW = 50_000
_ID = {"name": "event_id", "type": "string"}
_AT = {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
_CENTS = {"name": "cents", "type": "long", "default": 0}
SCHEMAS: dict[str, list[dict[str, Any]]] = {
    "transfers": [
        _ID, _AT, {"name": "payer", "type": "string"}, {"name": "payee", "type": "string"}, _CENTS,
    ],
    "entries": [
        _ID, _AT, {"name": "account", "type": "string"}, {"name": "type", "type": "string"}, _CENTS,
        {"name": "hold_ms", "type": "long", "default": 0},
    ],
    "notices": [
        _ID, _AT, {"name": "account", "type": "string"}, {"name": "type", "type": "string"},
        {"name": "entries", "type": "long"}, {"name": "balance", "type": "long"},
    ],
}  # fmt: skip


def declare(name: str = "bank", **changed: Any) -> dict[str, Any]:
    """The topology, with topics, keys and a database of its own by ``name``."""
    topics = {kind: f"{name}.{kind}" for kind in SCHEMAS}
    return {
        "version": 1,
        "name": name,
        "defaults": {"partitions": 2},
        "topics": {
            topic: {
                "schema": kind,
                "key": "payer" if kind == "transfers" else "account",
                "dedupe": {"key": "event_id", "window": WINDOW},
            }
            for kind, topic in topics.items()
        },
        "delivery": {"max_delay_ms": 50},
        "agents": {
            "teller": {
                "function": "tests.keyed.project:teller",
                "reads": [topics["transfers"]],
                "writes": {"topics": [topics["entries"]]},
            },
            "balance": {
                "function": "tests.keyed.project:balance",
                "reads": [topics["entries"]],
                "state": {"keyspace": "account", "key": "account"},
                "timer": {"at": "occurred_at", "event": {"type": "hold_ends"}},
                "writes": {"topics": [topics["notices"]]},
            },
            "ledger": {
                "function": "tests.keyed.project:ledger",
                "reads": [topics["entries"]],
                "writes": {"tables": ["entries"]},
            },
            "book": {
                "function": "tests.keyed.project:book",
                "reads": [topics["notices"]],
                "writes": {"tables": ["notices"]},
            },
        },
        "clickhouse": {
            "database": name,
            "tables": {
                "entries": {"topic": topics["entries"], "order_by": ["account", "occurred_at"]},
                "notices": {"topic": topics["notices"], "order_by": ["account", "occurred_at"]},
            },
        },
        "redis": {
            "prefix": name,
            "keyspaces": {"account": {"type": "state", "located": True}},
        },
        **changed,
    }


def write(root: Path, name: str = "bank", **changed: Any) -> None:
    """Write the project's files into an empty folder, schemas locked."""
    (root / "schemas").mkdir()
    for kind, fields in SCHEMAS.items():
        schema = {"type": "record", "name": kind.capitalize(), "fields": fields}
        (root / f"schemas/{kind}.avsc").write_text(json.dumps(schema))
    (root / "topology.yaml").write_text(yaml.safe_dump(declare(name, **changed)))
    register(root / "schemas")


def beside(frame: Frame, kind: str) -> str:
    """Another topic of the same bank."""
    return f"{frame.topic.rpartition('.')[0]}.{kind}"


def teller(frame: Frame) -> Writes:
    """Two entries a transfer."""
    events = [
        {
            "event_id": f"{row['event_id']}:{side}",
            "occurred_at": int(row["occurred_at"].timestamp() * 1000),
            "account": row[side],
            "type": "entry",
            "cents": sign * row["cents"],
        }
        for row in frame.df.to_dicts()
        for side, sign in (("payer", -1), ("payee", 1))
    ]
    return Writes(events=(Emit(beside(frame, "entries"), events),))


def balance(frame: Frame, states: States) -> Writes:
    """See the module; a record of type ``bad`` makes it raise."""
    held: dict[str, dict[str, int]] = {}
    notices = []
    for row in frame.df.to_dicts():
        account, at = row["account"], int(row["occurred_at"].timestamp() * 1000)
        if account not in held:
            kept = states.get(account, b'{"entries":0,"balance":0,"due":0}')
            held[account] = orjson.loads(kept)
        state = held[account]
        told = None
        if row["type"] == "bad":
            raise ValueError("a bad record")
        if row["type"] == "hold_ends":
            if at != state["due"]:
                continue  # another time is due by now
            state["due"], told = 0, "released"
        else:
            state["entries"] += 1
            state["balance"] += row["cents"]
            if row["hold_ms"]:
                state["due"] = row["hold_ms"]
            if row["type"] == "close":
                state["entries"] = state["balance"] = state["due"] = 0
            elif state["entries"] % EVERY == 0:
                told = "third"
        if told:
            notices.append(
                {
                    "event_id": f"{row['event_id']}:{told}",
                    "occurred_at": at,
                    "account": account,
                    "type": told,
                    "entries": state["entries"],
                    "balance": state["balance"],
                }
            )
    values = {a: orjson.dumps(s) if s["entries"] else None for a, s in held.items()}
    due = {a: s["due"] for a, s in held.items() if s["due"] and s["entries"]}
    return Writes(
        events=(Emit(beside(frame, "notices"), notices),), state=(State("account", values, due),)
    )


def ledger(frame: Frame) -> Writes:
    """Rows as they are, of the topic that the agent with state reads, too."""
    return Writes((Rows("entries", frame.df),))


def book(frame: Frame) -> Writes:
    """Rows as they are."""
    return Writes((Rows("notices", frame.df),))


def entry(number: int, account: str, cents: int = 1, **fields: Any) -> dict[str, Any]:
    """An entry as a producer is given it."""
    return {
        "event_id": f"e{number}",
        "occurred_at": 1_767_225_600_000 + number,
        "account": account,
        "type": "entry",
        "cents": cents,
        **fields,
    }


def transfer(number: int, payer: str, payee: str, cents: int) -> dict[str, Any]:
    """A transfer as a producer is given it."""
    return {
        "event_id": f"t{number}",
        "occurred_at": 1_767_225_600_000 + number,
        "payer": payer,
        "payee": payee,
        "cents": cents,
    }
