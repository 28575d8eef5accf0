"""What one record becomes: the declared agents, run on it alone, say it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from confluent_kafka import Message

from headrace.agent import AgentFunction
from headrace.client.blocks import block_of
from headrace.frame import Bad, Decode
from headrace.private.fields import HIDDEN, PrivateFields
from headrace.schema import Encoder
from headrace.serve.tracing.answer import TracedKey, TracedRow
from headrace.topology.model import Topology
from headrace.writes import NOTHING, combine

#: Characters from which a private value is looked for within others, such as keys.
TELLING = 4


@dataclass(frozen=True, slots=True)
class Effects:
    """An event in JSON, its rows and keys, none of them with a private value in it.

    ``bad`` is why it is none, or why an agent can't take it. ``hidden`` are the private values.
    """

    event: dict[str, Any] | None
    rows: list[TracedRow]
    keys: list[TracedKey]
    happened_ms: int | None
    bad: Bad | None
    hidden: Sequence[str]

    def hide(self, value: Any) -> Any:
        """A value, or what is in it, without the event's private values."""
        return _hide(value, self.hidden)


def effects(
    topology: Topology,
    agents: Mapping[str, AgentFunction],
    decode: Decode,
    private: PrivateFields,
    encoder: Encoder,
    message: Message,
) -> Effects:
    """Run on one record what the worker runs on its block; agents are functions of the records."""
    frame = decode(block_of([message]))
    if not len(frame):
        return Effects(None, [], [], None, frame.bad[0] if frame.bad else None, ())
    row = frame.df.to_dicts()[0]
    event = encoder.to_json(row)
    shown = private.hide(event)
    hidden = [str(event[name]) for name in private.names if shown[name] == HIDDEN]
    writes, bad = NOTHING, None
    # An agent with state is none of the record alone.
    stateless = [name for name in topology.agents_of(private.topic) if name in agents]
    for name in stateless:
        try:
            writes += agents[name](frame)
        except Exception as error:  # an agent may raise anything: a worker sets such records aside
            bad = Bad(0, "agent", f"agent {name!r} raised {type(error).__name__}", agent=name)
    rows = [
        TracedRow(table=rows.table, columns=_hide(private.hide(plain(columns)), hidden))
        for rows in writes.rows
        for columns in rows.frame.to_dicts()
    ]
    keys: dict[str, TracedKey] = {}
    for op in combine(writes.redis):
        for change in op.frame.to_dicts():
            key = f"{topology.redis.prefix}:{{{frame.partition}}}:{op.keyspace}:{change.pop('id')}"
            traced = keys.setdefault(
                key, TracedKey(key=_hide(key, hidden), keyspace=op.keyspace, changes=[])
            )
            traced.changes.append({"kind": op.kind.value, **_hide(plain(change), hidden)})
    happened = row.get("occurred_at")
    at = int(happened.timestamp() * 1000) if isinstance(happened, datetime) else None
    return Effects(_hide(shown, hidden), rows, list(keys.values()), at, bad, hidden)


def plain(value: Any) -> Any:
    """A value of a frame as JSON has it."""
    match value:
        case dict():
            return {name: plain(inner) for name, inner in value.items()}
        case list():
            return [plain(inner) for inner in value]
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case date() | Decimal():
            return str(value)
        case bytes():
            return value.hex()
        case _:
            return value


def _hide(value: Any, hidden: Sequence[str]) -> Any:
    match value:
        case str():
            for private in hidden:
                if value == private:
                    return HIDDEN
                if len(private) >= TELLING:
                    value = value.replace(private, HIDDEN)
            return value
        case dict():
            return {name: _hide(inner, hidden) for name, inner in value.items()}
        case list():
            return [_hide(inner, hidden) for inner in value]
        case _:
            return value
