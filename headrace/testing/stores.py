"""Stores that a worker may leave half-written: what a crash between two writes leaves behind."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from headrace.block import TopicPartition
from headrace.memory import Key, MemorySink
from headrace.sink import BlockRange
from headrace.writes import Emit, RedisOps, State, Writes


class Stores(MemorySink):
    """A table takes a block whole or not at all; keys take its updates one by one, in order, then
    its states, then the outbox its events.

    Each drops what it has of a block that comes again, by its place in the block as the real sinks
    do, so a block must come again with the same writes.
    """

    def __init__(self) -> None:
        super().__init__()
        self._tables: dict[TopicPartition, set[str]] = {}
        self._updates: dict[TopicPartition, int] = {}
        self._before: dict[TopicPartition, dict[Key, bytes]] = {}

    def before(self, block: BlockRange, keyspace: str) -> dict[str, bytes]:
        """The states before a block, also when a part of it is applied."""
        tp = TopicPartition(block.topic, block.partition)
        held = self._before.get(tp, self.states)
        place = (block.partition, keyspace)
        return {id_: value for (*at, id_), value in held.items() if tuple(at) == place}

    def take(self, block: BlockRange, writes: Writes) -> None:
        """All of a block that is not there yet."""
        tp = TopicPartition(block.topic, block.partition)
        if block.last <= self.done.get(tp, -1):
            return
        self.part(block, writes, {rows.table for rows in writes.rows}, len(updates(writes)))
        self.done[tp] = block.last
        self._tables.pop(tp, None)
        self._updates.pop(tp, None)
        self._before.pop(tp, None)

    def part(self, block: BlockRange, writes: Writes, tables: Collection[str], end: int) -> None:
        """What a worker wrote before it died: these tables, and the updates before ``end``."""
        tp = TopicPartition(block.topic, block.partition)
        if block.last <= self.done.get(tp, -1):
            return
        held = self._tables.setdefault(tp, set())
        for rows in writes.rows:
            if rows.table in tables and rows.table not in held:
                self.tables[rows.table].extend(rows.frame.to_dicts())
        held.update(tables)
        self._before.setdefault(tp, dict(self.states))
        begin = self._updates.get(tp, 0)
        for one in updates(writes)[begin:end]:
            if isinstance(one, State):
                self.keep(block.partition, one)
            elif isinstance(one, Emit):
                self.emit(one)
            else:
                self.update(block.partition, one)
        self._updates[tp] = max(begin, end)


def updates(writes: Writes) -> list[RedisOps | State | Emit]:
    """The updates, states and events one by one."""
    return list(_single(writes))


def _single(writes: Writes) -> Iterator[RedisOps | State | Emit]:
    for op in writes.redis:
        for one in op.frame.iter_slices(1):
            yield RedisOps(op.kind, op.keyspace, one, op.keep)
    for state in writes.state:
        for key, value in state.values.items():
            due = {key: state.due[key]} if key in state.due else {}
            yield State(state.keyspace, {key: value}, due)
    for emit in writes.events:
        for event in emit.events:
            yield Emit(emit.topic, [event])
