"""What an agent asks the sinks to do for one block, as columns.

An agent may emit one row an event: :func:`combine` merges a block's updates by key before a sink
sees them, with the merge that each kind defines. Every merge is associative, so the end state does
not depend on where the log is cut into blocks. ``ADD``, ``ADD_FLOAT`` and ``RING`` are not
idempotent by themselves: the sink's fence makes them so.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

import polars as pl

from headrace.errors import Terminal
from headrace.frame import OFFSET


class Kind(Enum):
    """How a Redis update merges with what is there. Frames have the columns named here.

    All frames start with ``id`` (String): the entity within the keyspace.
    """

    #: ``field`` String, ``delta`` Int64: hash field += delta; a field that reaches 0 is removed.
    ADD = "add"
    #: ``field`` String (names metric, grain and slot), ``bucket`` Int64, ``delta`` Int64: hash
    #: field holds ``"<bucket>:<sum>"``; a newer bucket replaces an older one, an equal one adds,
    #: an older one is dropped: a ring of the last N buckets when ``slot = bucket % N``.
    RING = "ring"
    #: ``field`` String, ``value`` String, ``version`` String: hash field holds
    #: ``"<version>|<value>"``; the greater version (bytewise) wins. See :func:`version`.
    LAST = "last"
    #: ``member`` String, ``score`` Float64; sorted set keeps the greatest score of a member and
    #: the ``keep`` members with the greatest (score, member).
    MAX = "max"
    #: ``member`` String, ``score`` Float64: sorted set adds to the member's score. Scores must be
    #: quantised so that sums are exact (see ``headrace.declared.decay``), never trimmed.
    ADD_FLOAT = "add_float"


#: The columns that a frame of each kind has.
COLUMNS: dict[Kind, dict[str, type[pl.DataType]]] = {
    Kind.ADD: {"id": pl.String, "field": pl.String, "delta": pl.Int64},
    Kind.RING: {"id": pl.String, "field": pl.String, "bucket": pl.Int64, "delta": pl.Int64},
    Kind.LAST: {"id": pl.String, "field": pl.String, "value": pl.String, "version": pl.String},
    Kind.MAX: {"id": pl.String, "member": pl.String, "score": pl.Float64},
    Kind.ADD_FLOAT: {"id": pl.String, "member": pl.String, "score": pl.Float64},
}


@dataclass(frozen=True, slots=True, eq=False)
class RedisOps:
    """Updates of one kind to one keyspace of Redis, in log order."""

    kind: Kind
    keyspace: str
    frame: pl.DataFrame
    keep: int | None = None  # MAX only: how many members stay


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows for one ClickHouse table; the frame's columns are the table's, in any order."""

    table: str
    frame: pl.DataFrame


@dataclass(frozen=True, slots=True, eq=False)
class Emit:
    """Events for a topic, as ``Encoder.encode`` takes them; exactly once together with the block.

    Each has the topic's key field, and in the field of its ``dedupe`` an id that follows from the
    log: it is sent again after a crash, and only the id tells.
    """

    topic: str
    events: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True, eq=False)
class State:
    """What an agent keeps by key after the block; None forgets a key.

    ``due`` has the time (ms since epoch) at which a key's timer is due; keys that are not in it
    have none. Keys that are not in ``values`` keep what they have, their timers too.
    """

    keyspace: str
    values: Mapping[str, bytes | None]
    due: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """An emitted event as Kafka gets it. ``partition`` None: that of the key."""

    topic: str
    key: bytes
    value: bytes
    partition: int | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Writes:
    """All an agent (or all agents together) ask for one block.

    ``outgoing`` and ``aside`` are the engine's: what ``events`` become once they are encoded, and
    the offsets of the records that made an agent with state raise.
    """

    rows: Sequence[Rows] = ()
    redis: Sequence[RedisOps] = ()
    events: Sequence[Emit] = ()
    state: Sequence[State] = ()
    outgoing: Sequence[Outgoing] = ()
    aside: Sequence[int] = ()

    def __add__(self, other: Writes) -> Writes:
        return Writes(
            (*self.rows, *other.rows),
            (*self.redis, *other.redis),
            (*self.events, *other.events),
            (*self.state, *other.state),
            (*self.outgoing, *other.outgoing),
            (*self.aside, *other.aside),
        )

    def combined(self) -> Writes:
        """As sinks take them: each target once. Raises Terminal, see ``combine``."""
        return replace(self, redis=combine(self.redis), state=_states(self.state))

    def after(self, offset: int) -> Writes:
        """Without the rows of records up to ``offset``: for a table that has those.

        All that is for Redis stays as it is; it can't be told apart by record.
        """
        later = pl.col(OFFSET) > offset
        return replace(self, rows=[Rows(r.table, r.frame.filter(later)) for r in self.rows])


NOTHING = Writes()


@dataclass(frozen=True, slots=True)
class _Merge:
    by: list[str]
    aggregates: list[pl.Expr] = field(default_factory=list)


_MERGES = {
    Kind.ADD: _Merge(["id", "field"], [pl.col("delta").sum()]),
    Kind.ADD_FLOAT: _Merge(["id", "member"], [pl.col("score").sum()]),
    Kind.MAX: _Merge(["id", "member"], [pl.col("score").max()]),
    Kind.LAST: _Merge(
        ["id", "field"],
        [pl.col("value").sort_by("version").last(), pl.col("version").max()],
    ),
}


def version(occurred_at: str = "occurred_at", offset: str = "_offset") -> pl.Expr:
    """The version of a row for ``LAST``: event time in ms, then offset, so that later events win.

    Zero-padded decimal, so that bytewise order is numeric order (good to the year 2286).
    """
    ms = pl.col(occurred_at).dt.epoch("ms").cast(pl.String).str.zfill(13)
    return pl.concat_str([ms, pl.lit("."), pl.col(offset).cast(pl.String).str.zfill(15)])


def merge(kind: Kind, frame: pl.DataFrame) -> pl.DataFrame:
    """Merge the rows of one frame so that each (id, field or member) stands once."""
    if kind is Kind.RING:
        newest = pl.col("bucket") == pl.col("bucket").max().over("id", "field")
        return (
            frame.filter(newest)
            .group_by("id", "field", maintain_order=True)
            .agg(pl.col("bucket").first(), pl.col("delta").sum())
        )
    how = _MERGES[kind]
    return frame.group_by(how.by, maintain_order=True).agg(how.aggregates)


def combine(ops: Iterable[RedisOps]) -> list[RedisOps]:
    """Merge a block's updates: one RedisOps per (kind, keyspace), each target once.

    Raises Terminal when a frame lacks a column of its kind or has it with another type.
    """
    groups: dict[tuple[Kind, str, int | None], list[pl.DataFrame]] = {}
    for op in ops:
        if op.frame.height:
            groups.setdefault((op.kind, op.keyspace, op.keep), []).append(_checked(op))
    return [
        RedisOps(kind, keyspace, merge(kind, pl.concat(frames, how="vertical")), keep)
        for (kind, keyspace, keep), frames in groups.items()
    ]


def _states(states: Iterable[State]) -> list[State]:
    """One State a keyspace; of a key that stands in several, the last one counts."""
    merged: dict[str, State] = {}
    for state in states:
        before = merged.get(state.keyspace, State(state.keyspace, {}))
        due = {key: at for key, at in before.due.items() if key not in state.values}
        values = {**before.values, **state.values}
        merged[state.keyspace] = State(state.keyspace, values, {**due, **state.due})
    return list(merged.values())


def _checked(op: RedisOps) -> pl.DataFrame:
    """The frame with exactly the columns of its kind, in their order."""
    schema = COLUMNS[op.kind]
    held = op.frame.schema
    if any(held.get(name) != kind for name, kind in schema.items()):
        raise Terminal(
            f"keyspace {op.keyspace!r}: {op.kind.name} needs columns {schema}, the agent gave "
            f"{dict(held)}"
        )
    return op.frame.select(*schema)
