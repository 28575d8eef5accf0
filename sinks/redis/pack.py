"""A block's updates as script arguments: by key, in chunks.

Chunking is a function of the updates alone: whoever repeats a block repeats its very chunks.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Protocol

import msgpack
import numpy as np
import numpy.typing as npt

from headrace.sink import BlockRange
from headrace.topology.model import Keyspace
from headrace.writes import Kind, Outgoing, RedisOps, State, Writes
from sinks.redis.keys import Keys

#: Codes of the kinds in apply.lua, and the frame columns that go with each.
KINDS: Mapping[Kind, tuple[int, tuple[str, ...]]] = {
    Kind.ADD: (1, ("field", "delta")),
    Kind.RING: (2, ("field", "bucket", "delta")),
    Kind.LAST: (3, ("field", "value", "version")),
    Kind.MAX: (4, ("member", "score")),
    Kind.ADD_FLOAT: (5, ("member", "score")),
}
#: The same for what is not a frame: states by key, events for the outbox, offsets set aside.
STATE, EVENTS, ASIDE = 6, 7, 8
#: Updates a chunk: about 3 ms of the server's time at 500,000 updates/s.
CHUNK_OPS = 1_500
#: What one key costs besides its updates (EXPIRE, a read and a write), in updates.
KEY_COST = 2
#: What a state costs: written, kept for the undo, its timer set.
STATE_COST = 2
#: Bytes of a state or an event that cost as much as an update.
BYTES_COST = 512
#: Of the digest of an event.
DIGEST_BYTES = 16
#: Events that go to the outbox together.
BATCH = 256

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Keys, and the packed updates to apply to them.

    ``undo`` is the place of the undo key among the keys, from 1; 0 in a block without states.
    """

    keys: list[str]
    payload: bytes
    undo: int = 0


class _Part(Protocol):
    """Updates of one kind, sorted by the number of their key."""

    keys: Ints
    #: Of each key, in updates.
    costs: Ints

    def part(self, first: int, behind: int, place: Callable[[str], int]) -> list[Any] | None:
        """What belongs to the keys numbered ``first`` to ``behind``, as apply.lua takes it.

        ``place`` gives the place of another key in the same chunk.
        """


class _Numbers:
    """Numbers a block's keys in the order in which they first appear."""

    def __init__(self, keys: Keys, partition: int) -> None:
        self._keys = keys
        self._partition = partition
        self._known: dict[str, dict[str, int]] = {}
        self.names: list[str] = []

    def of(self, keyspace: str, ids: Sequence[str]) -> Ints:
        """The number of each id's key."""
        known = self._known.setdefault(keyspace, {})
        for new in dict.fromkeys(ids):
            if new not in known:
                known[new] = len(self.names)
                self.names.append(self._keys.data(self._partition, keyspace, new))
        return np.fromiter(map(known.__getitem__, ids), np.int64, len(ids))

    def once_more(self, name: str) -> int:
        """A number of its own for a part of a key that need not be in one chunk."""
        self.names.append(name)
        return len(self.names) - 1


class _Sorted:
    """One RedisOps with its rows sorted by the number of their key."""

    def __init__(self, op: RedisOps, keyspaces: Mapping[str, Keyspace], numbers: _Numbers) -> None:
        code, columns = KINDS[op.kind]
        ttl = (keyspaces[op.keyspace].ttl_hours or 0) * 3600
        self._head = [code, ttl, op.keep or 0]
        number = numbers.of(op.keyspace, op.frame["id"].to_list())
        order = np.argsort(number, kind="stable")
        counts = np.bincount(number)
        self.keys = np.flatnonzero(counts)
        self.counts = counts[self.keys]
        self.costs = self.counts + KEY_COST
        self._ends = np.concatenate([[0], np.cumsum(self.counts)])  # of the rows of each key
        rows = op.frame.select(columns)[order]
        self._columns = [rows[name].to_list() for name in columns]

    def part(self, first: int, behind: int, place: Callable[[str], int]) -> list[Any] | None:
        """See ``_Part``."""
        low, high = np.searchsorted(self.keys, [first, behind]).tolist()
        if low == high:
            return None
        places = (self.keys[low:high] - (first - 1)).tolist()
        rows = slice(int(self._ends[low]), int(self._ends[high]))
        columns = [column[rows] for column in self._columns]
        return [*self._head, places, self.counts[low:high].tolist(), *columns]


class _States:
    """One State: a row a key. ``clock`` is the key of the due times, if there are timers."""

    def __init__(self, state: State, numbers: _Numbers, clock: str | None) -> None:
        ids = list(state.values)
        number = numbers.of(state.keyspace, ids)
        order = np.argsort(number, kind="stable")
        self.keys = number[order]
        self._ids = [ids[i] for i in order]
        self._values = [state.values[id_] for id_ in self._ids]
        self._due = [state.due.get(id_, 0) for id_ in self._ids]
        self._clock = clock
        sizes = [len(value or b"") for value in self._values]
        self.costs = STATE_COST + np.array(sizes, np.int64) // BYTES_COST

    def part(self, first: int, behind: int, place: Callable[[str], int]) -> list[Any] | None:
        """See ``_Part``."""
        low, high = np.searchsorted(self.keys, [first, behind]).tolist()
        if low == high:
            return None
        rows = slice(low, high)
        return [
            STATE,
            0,
            0 if self._clock is None else place(self._clock),
            (self.keys[rows] - (first - 1)).tolist(),
            [1] * (high - low),
            self._values[rows],
            self._due[rows],
            self._ids[rows],
        ]


class _Entries:
    """Some entries of one key, in their order: events for the outbox, or offsets set aside."""

    def __init__(self, code: int, entries: list[Any], numbers: _Numbers, name: str) -> None:
        self._code = code
        self._entries = entries
        self.keys = np.array([numbers.once_more(name)])
        size = sum(map(len, entries)) if code == EVENTS else 0
        self.costs = np.array([len(entries) + size // BYTES_COST])

    def part(self, first: int, behind: int, place: Callable[[str], int]) -> list[Any] | None:
        """See ``_Part``."""
        number = int(self.keys[0])
        if not first <= number < behind:
            return None
        return [self._code, 0, 0, [number - (first - 1)], [len(self._entries)], self._entries]


def entry(event: Outgoing) -> bytes:
    """An event as the outbox holds it: a digest, by which it is removed, and what it is of."""
    packed: bytes = msgpack.packb([event.topic, event.key, event.value])
    return blake2b(packed, digest_size=DIGEST_BYTES).digest() + packed


def chunks(
    writes: Writes,
    keys: Keys,
    keyspaces: Mapping[str, Keyspace],
    block: BlockRange,
    timed: Collection[str] = (),
) -> list[Chunk]:
    """Cut a block's combined updates; each key is in one chunk, in order of first appearance.

    States and emitted events come after the updates; only the outbox may be in several chunks.
    ``timed`` are the keyspaces whose states may be due. There is at least one chunk, so that a
    block without updates still moves the fence.
    """
    numbers = _Numbers(keys, block.partition)
    parts: list[_Part] = [_Sorted(op, keyspaces, numbers) for op in writes.redis if op.frame.height]
    states = [state for state in writes.state if state.values]
    for state in states:
        name = state.keyspace
        clock = keys.due(block.partition, name) if name in timed else None
        parts.append(_States(state, numbers, clock))
    outbox = keys.outbox(block.partition, block.topic)
    for at in range(0, len(writes.outgoing), BATCH):
        batch = [entry(event) for event in writes.outgoing[at : at + BATCH]]
        parts.append(_Entries(EVENTS, batch, numbers, outbox))
    if writes.aside:
        aside = keys.aside(block.partition, block.topic)
        parts.append(_Entries(ASIDE, list(writes.aside), numbers, aside))
    costs = np.zeros(len(numbers.names), np.int64)
    for part in parts:
        costs[part.keys] += part.costs
    undo = keys.undo(block.partition, block.topic) if states else None
    return [_chunk(parts, numbers.names, undo, *cut) for cut in _cuts(costs)]


def _chunk(
    parts: Sequence[_Part], names: Sequence[str], undo: str | None, first: int, behind: int
) -> Chunk:
    held = list(names[first:behind])

    def place(name: str) -> int:
        if name not in held[behind - first :]:
            held.append(name)
        return held.index(name, behind - first) + 1

    packed = [entry for part in parts if (entry := part.part(first, behind, place)) is not None]
    at = 0 if undo is None else place(undo)
    # Redis' own reader of msgpack knows no binary type: bytes are its strings.
    return Chunk(held, msgpack.packb(packed, use_bin_type=False), at)


def digest(cut: Sequence[Chunk]) -> str:
    """Names what a block's chunks do together, so that another plan can't finish this one."""
    whole = blake2b(digest_size=8)
    for chunk in cut:
        whole.update("\0".join(chunk.keys).encode())
        whole.update(chunk.payload)
    return whole.hexdigest()


def _cuts(costs: Ints) -> Iterator[tuple[int, int]]:
    """Ranges of keys that cost about CHUNK_OPS together, at most one key more."""
    ends = np.cumsum(costs)
    first = 0
    while True:
        done = int(ends[first - 1]) if first else 0
        behind = int(np.searchsorted(ends, done + CHUNK_OPS)) + 1
        yield first, min(behind, len(costs))
        first = behind
        if first >= len(costs):
            return
