"""A chunk of the stream, ready to be sent: per topic keys, partitions, values and columns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from loadgen import vocabulary as v
from loadgen.columns import columns
from loadgen.damage import damage
from loadgen.encoding import encode
from loadgen.murmur import partitions_of
from loadgen.rows import BAD, CATALOG, REQUESTS, STREAMS, Rows
from loadgen.text import Bytes, Dictionary, ulids
from loadgen.wiring import Wiring
from loadgen.world import World

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Batch:
    """One stream's part of a chunk, in the order of sending."""

    stream: str
    topic: str
    world: World
    rows: Rows
    seq: Ints  # position of each record in the whole run
    partitions: npt.NDArray[np.int32]
    keys: list[bytes]
    values: list[bytes]  # framed
    event_ids: Bytes  # (n, 26)

    def __len__(self) -> int:
        return len(self.rows)

    def head(self, n: int) -> Batch:
        """The first ``n`` records."""
        return Batch(
            self.stream,
            self.topic,
            self.world,
            self.rows[:n],
            self.seq[:n],
            self.partitions[:n],
            self.keys[:n],
            self.values[:n],
            self.event_ids[:n],
        )

    def frame(self) -> pl.DataFrame:
        """The events' fields as the schema names them (damaged records as they were before)."""
        return columns(self.stream, self.world, self.rows, self.event_ids)


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Records ``first .. first + len - 1`` of the run; ``batches`` by stream, none empty."""

    first: int
    batches: Mapping[str, Batch]

    def __len__(self) -> int:
        return sum(map(len, self.batches.values()))

    def head(self, n: int) -> Chunk:
        """The first ``n`` records of the chunk."""
        stop = self.first + n
        cut = {s: b.head(int(np.searchsorted(b.seq, stop))) for s, b in self.batches.items()}
        return Chunk(self.first, {s: b for s, b in cut.items() if len(b)})


class Packer:
    """Puts a window's rows in order, encodes them, and knows the partition of every key."""

    def __init__(self, world: World, wiring: Wiring) -> None:
        self._world = world
        self._wiring = wiring
        self._partitions = {
            stream: partitions_of(self._keys(stream)[0].encoded, wiring[stream].partitions)
            for stream in STREAMS
        }

    def pack(self, first: int, rows: Mapping[str, Rows], limit: int | None) -> Chunk:
        """The chunk of these rows, cut to ``limit`` records, numbered from ``first``."""
        streams = [stream for stream in STREAMS if stream in rows and len(rows[stream])]
        send = np.concatenate([rows[stream]["send"] for stream in streams])
        source = np.repeat(np.arange(len(streams)), [len(rows[stream]) for stream in streams])
        row = np.concatenate([np.arange(len(rows[stream])) for stream in streams])
        order = np.argsort(send, kind="stable")[:limit]
        source, row = source[order], row[order]
        batches = {}
        for i, stream in enumerate(streams):
            mine = np.flatnonzero(source == i)
            if len(mine):
                batches[stream] = self._batch(stream, rows[stream][row[mine]], first + mine)
        return Chunk(first, batches)

    def _batch(self, stream: str, rows: Rows, seq: Ints) -> Batch:
        route = self._wiring[stream]
        event_ids = ulids(rows["at"], rows["r1"], rows["r0"])
        values = encode(stream, self._world, rows, event_ids, route.schema_id)
        for i in np.flatnonzero(rows["mark"] >= BAD).tolist():
            values[i] = damage(int(rows["mark"][i]), values[i])
        strings, field = self._keys(stream)
        codes = rows[field]
        return Batch(
            stream,
            route.topic,
            self._world,
            rows,
            seq,
            self._partitions[stream][codes],
            strings.keys(codes),
            values,
            event_ids,
        )

    def _keys(self, stream: str) -> tuple[Dictionary, str]:
        if stream == CATALOG:
            return self._world.product_ids, "product"
        if stream == REQUESTS:
            return v.TENANTS, "tenant"
        return self._world.user_ids, "user"
