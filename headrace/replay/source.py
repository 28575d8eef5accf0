"""One topic of the log as rows of a raw table: what the workers' agents made of it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from headrace.agent import AgentFunction, functions, poison
from headrace.block import Block
from headrace.delivery.duplicates import first_only
from headrace.delivery.seen import Seen
from headrace.errors import ConfigError, HeadraceError
from headrace.frame import OFFSET, PARTITION, Decode, Frame
from headrace.private.guard import Guard
from headrace.rules.checked import decoder, id_decoder, narrow_decoder
from headrace.schemas import registry_of
from headrace.topology.model import Topology
from headrace.writes import NOTHING, Writes

#: Offsets by partition.
Offsets = Mapping[int, npt.NDArray[np.int64]]


class Source:
    """A topic, and the raw tables that a view is fed from by it. Safe to use from many threads.

    Only the columns that the view's selects read are decoded and inserted. An agent is a function
    of the frame, so it is asked whether it gives the same rows for so few columns (``narrowed``).
    """

    def __init__(
        self, root: Path, topology: Topology, topic: str, columns: Mapping[str, Sequence[str]]
    ) -> None:
        """``columns`` by raw table are those that are needed of it."""
        declared = topology.topics[topic]
        registry = registry_of(root, topology)
        guard = Guard.of(topology, topic, registry)
        self.topic = topic
        self.window = declared.dedupe.window if declared.dedupe else 0
        self._columns = {table: list(names) for table, names in columns.items()}
        self._key = declared.dedupe.key if declared.dedupe else None
        names = [
            name
            for name in topology.agents_of(topic)
            if set(columns) & set(topology.agents[name].writes.tables)
        ]
        if kept := [name for name in names if topology.agents[name].state]:
            raise ConfigError(
                f"agent {kept[0]!r}, which writes the view's rows, keeps state by key: what it "
                f"wrote depends on what it kept then, so its views can't be replayed"
            )
        if not names:
            raise ConfigError(f"no agent writes rows of {topic!r} to {', '.join(columns)}")
        every = functions(topology)
        self._agents = {name: every[name] for name in names}
        self._full = decoder(registry, declared.schema_, declared.rules, guard)
        self._ids: Decode | None = None
        wanted = {name for names in columns.values() for name in names}
        if self._key is not None:
            wanted.add(self._key)
            self._ids = id_decoder(registry, declared.schema_, self._key, declared.rules, guard)
        known = {column.name for column in registry.latest(declared.schema_)}
        self._narrow: Decode | None = None
        if wanted - {PARTITION, OFFSET} <= known | {"_marks"}:
            self._narrow = narrow_decoder(registry, declared.schema_, wanted, declared.rules, guard)

    def narrowed(self, block: Block) -> bool:
        """Whether few columns give the same rows; asked of one block, and kept for all.

        It is also refused for every block in which an agent raises.
        """
        if self._narrow is not None:
            try:
                few = self._rows(self._agents_of(self._narrow(block)))
                all_ = self._rows(self._agents_of(self._full(block)))
                same = few.keys() == all_.keys() and all(few[t].equals(all_[t]) for t in few)
            except HeadraceError:
                raise
            except Exception:
                same = False
            if not same:
                self._narrow = None
        return self._narrow is not None

    def recall(self, block: Block, seen: Seen) -> None:
        """Remember a block's ids, of which nothing is wanted."""
        if self._ids is not None and self._key is not None:
            first_only(self._ids(block), self._key, seen)

    def rows(self, block: Block, seen: Seen, aside: Offsets) -> dict[str, pl.DataFrame]:
        """Rows by table. ``aside`` are the records that workers set aside.

        Blocks of a partition come in the order of the log. Raises what the rules raise.
        """
        decode = self._narrow or self._full
        frame = decode(block)
        if self._key is not None:
            frame = first_only(frame, self._key, seen)
        frame = _without(frame, aside)
        try:
            writes = self._agents_of(frame)
        except HeadraceError:
            raise
        except Exception:
            kept = frame.df[OFFSET]
            whole = self._full(block)
            writes = self._poisoned(replace(whole, df=whole.df.filter(pl.col(OFFSET).is_in(kept))))
        return self._rows(writes)

    def _agents_of(self, frame: Frame) -> Writes:
        return sum((agent(frame) for agent in self._agents.values()), NOTHING)

    def _poisoned(self, frame: Frame) -> Writes:
        """As ``delivery.job`` does it: without the records that an agent raises for."""
        failed: Mapping[str, AgentFunction] = self._agents
        while failed:
            for name, agent in failed.items():
                _, frame = poison(name, agent, frame)
            try:
                return self._agents_of(frame)
            except HeadraceError:
                raise
            except Exception:
                failed = self._agents
        return NOTHING

    def _rows(self, writes: Writes) -> dict[str, pl.DataFrame]:
        found = {}
        for table, names in self._columns.items():
            frames = [rows.frame for rows in writes.rows if rows.table == table]
            frames = [frame.select(n for n in names if n in frame.columns) for frame in frames]
            if frames:
                found[table] = pl.concat(frames)
        return found


def _without(frame: Frame, aside: Offsets) -> Frame:
    gone = aside.get(frame.partition)
    if gone is None or not frame.df.height:
        return frame
    low, high = np.searchsorted(gone, [frame.block.first, frame.block.last + 1])
    if low == high:
        return frame
    return replace(frame, df=frame.df.filter(~pl.col(OFFSET).is_in(gone[low:high].tolist())))


def tables_of(topology: Topology, view: str) -> dict[str, list[str]]:
    """The raw tables that feed a view, by topic."""
    found: dict[str, list[str]] = {}
    for table in topology.clickhouse.views[view].from_:
        found.setdefault(topology.clickhouse.tables[table].topic, []).append(table)
    return found


def set_aside(letters: Collection[tuple[int, int]]) -> Offsets:
    """Partition and offset of dead letters, as ``Source.rows`` takes them."""
    by_partition: dict[int, list[int]] = {}
    for partition, offset in letters:
        by_partition.setdefault(partition, []).append(offset)
    return {p: np.unique(np.array(offsets, np.int64)) for p, offsets in by_partition.items()}
