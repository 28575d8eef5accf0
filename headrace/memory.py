"""A sink in memory with the exact semantics of the real ones: the reference for tests."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from headrace.block import TopicPartition
from headrace.sink import BlockRange, Mark
from headrace.writes import Emit, Kind, RedisOps, State, Writes

#: partition, keyspace, id
Key = tuple[int, str, str]


class MemorySink:
    """Implements ``Sink``; ``tables`` and ``redis`` show what it holds.

    ``redis`` maps a key to field → value: integers for counters, ``(bucket, sum)`` for rings,
    ``(version, value)`` for last values, floats for sorted sets. ``states`` has what agents keep,
    ``due`` the times (ms) at which keys are due, ``events`` what was emitted, by topic.
    """

    name = "memory"
    store = "memory"

    def __init__(self) -> None:
        self.tables: dict[str, list[dict[str, Any]]] = defaultdict(list)
        self.redis: dict[Key, dict[str, Any]] = {}
        self.states: dict[Key, bytes] = {}
        self.due: dict[Key, int] = {}
        self.events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        self.done: dict[TopicPartition, int] = {}

    def takes(self, topic: str) -> bool:
        """See ``Sink``."""
        return True

    async def start(self) -> None:
        """See ``Sink``."""

    async def close(self) -> None:
        """See ``Sink``."""

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        """See ``Sink``."""
        self.take(block, writes)
        return block.last

    def take(self, block: BlockRange, writes: Writes) -> None:
        """``apply`` for callers without an event loop."""
        tp = TopicPartition(block.topic, block.partition)
        if block.last <= self.done.get(tp, -1):
            return
        for rows in writes.rows:
            self.tables[rows.table].extend(rows.frame.to_dicts())
        for op in writes.redis:
            self.update(block.partition, op)
        for state in writes.state:
            self.keep(block.partition, state)
        for emit in writes.events:
            self.emit(emit)
        self.done[tp] = block.last

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        """See ``Sink``."""
        return {tp: Mark(self.done.get(tp, -1)) for tp in tps}

    def update(self, partition: int, op: RedisOps) -> None:
        """Merge updates into their keys, whatever the fence says."""
        merge = _MERGES[op.kind]
        touched = set()
        for row in op.frame.to_dicts():
            key = (partition, op.keyspace, row["id"])
            touched.add(key)
            merge(self.redis.setdefault(key, {}), row)
        for key in touched:
            held = self.redis[key]
            if op.keep is not None and len(held) > op.keep:
                ranked = sorted(held, key=lambda m: (held[m], m.encode()), reverse=True)
                for member in ranked[op.keep :]:
                    del held[member]
            if not held:
                del self.redis[key]

    def keep(self, partition: int, state: State) -> None:
        """Replace states and their due times."""
        for id_, value in state.values.items():
            key = (partition, state.keyspace, id_)
            _put(self.states, key, value)
            _put(self.due, key, state.due.get(id_))

    def emit(self, emit: Emit) -> None:
        """Take emitted events, as often as they come."""
        self.events[emit.topic].extend(emit.events)

    def state(self) -> Iterator[tuple[str, Any]]:
        """All contents in a comparable order, rows without regard to their order."""
        for table, rows in sorted(self.tables.items()):
            if rows:
                yield table, sorted(map(repr, rows))
        for key in sorted(self.redis):
            yield repr(key), dict(sorted(self.redis[key].items()))
        for key in sorted(self.states):
            yield repr(key), (self.states[key], self.due.get(key))


def _put(held: dict[Key, Any], key: Key, value: Any) -> None:
    if value is None:
        held.pop(key, None)
    else:
        held[key] = value


def _add(held: dict[str, Any], row: dict[str, Any]) -> None:
    total = held.get(row["field"], 0) + row["delta"]
    if total:
        held[row["field"]] = total
    else:
        held.pop(row["field"], None)


def _ring(held: dict[str, Any], row: dict[str, Any]) -> None:
    bucket, total = held.get(row["field"], (row["bucket"], 0))
    if row["bucket"] > bucket:
        held[row["field"]] = (row["bucket"], row["delta"])
    elif row["bucket"] == bucket:
        held[row["field"]] = (bucket, total + row["delta"])


def _last(held: dict[str, Any], row: dict[str, Any]) -> None:
    old = held.get(row["field"])
    if old is None or row["version"].encode() > old[0].encode():
        held[row["field"]] = (row["version"], row["value"])


def _max(held: dict[str, Any], row: dict[str, Any]) -> None:
    held[row["member"]] = max(row["score"], held.get(row["member"], row["score"]))


def _add_float(held: dict[str, Any], row: dict[str, Any]) -> None:
    held[row["member"]] = held.get(row["member"], 0.0) + row["score"]


_MERGES: dict[Kind, Callable[[dict[str, Any], dict[str, Any]], None]] = {
    Kind.ADD: _add,
    Kind.RING: _ring,
    Kind.LAST: _last,
    Kind.MAX: _max,
    Kind.ADD_FLOAT: _add_float,
}
