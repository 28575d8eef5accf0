"""A block's updates as script arguments: by key, in chunks.

Chunking is a function of the updates alone: whoever repeats a block repeats its very chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgpack
import numpy as np
import numpy.typing as npt

from headrace.topology.model import Keyspace
from headrace.writes import Kind, RedisOps
from sinks.redis.keys import Keys

#: Codes of the kinds in apply.lua, and the frame columns that go with each.
KINDS: Mapping[Kind, tuple[int, tuple[str, ...]]] = {
    Kind.ADD: (1, ("field", "delta")),
    Kind.RING: (2, ("field", "bucket", "delta")),
    Kind.LAST: (3, ("field", "value", "version")),
    Kind.MAX: (4, ("member", "score")),
    Kind.ADD_FLOAT: (5, ("member", "score")),
}
#: Updates a chunk: about 3 ms of the server's time at 500,000 updates/s.
CHUNK_OPS = 1_500
#: What one key costs besides its updates (EXPIRE, a read and a write), in updates.
KEY_COST = 2

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Keys, and the packed updates to apply to them."""

    keys: list[str]
    payload: bytes


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
        self._ends = np.concatenate([[0], np.cumsum(self.counts)])  # of the rows of each key
        rows = op.frame.select(columns)[order]
        self._columns = [rows[name].to_list() for name in columns]

    def part(self, first: int, behind: int) -> list[Any] | None:
        """What belongs to the keys numbered ``first`` to ``behind``, as apply.lua takes it."""
        low, high = np.searchsorted(self.keys, [first, behind]).tolist()
        if low == high:
            return None
        places = (self.keys[low:high] - (first - 1)).tolist()
        rows = slice(int(self._ends[low]), int(self._ends[high]))
        columns = [column[rows] for column in self._columns]
        return [*self._head, places, self.counts[low:high].tolist(), *columns]


def chunks(
    ops: Sequence[RedisOps], keys: Keys, keyspaces: Mapping[str, Keyspace], partition: int
) -> list[Chunk]:
    """Cut a block's combined updates; each key is in one chunk, in order of first appearance.

    There is at least one chunk, so that a block without updates still moves the fence.
    """
    numbers = _Numbers(keys, partition)
    parts = [_Sorted(op, keyspaces, numbers) for op in ops if op.frame.height]
    costs = np.zeros(len(numbers.names), np.int64)
    for part in parts:
        costs[part.keys] += part.counts + KEY_COST
    return [
        Chunk(
            numbers.names[first:behind],
            msgpack.packb([entry for p in parts if (entry := p.part(first, behind)) is not None]),
        )
        for first, behind in _cuts(costs)
    ]


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
