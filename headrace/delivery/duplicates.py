"""Drops what producers sent twice: each topic's filter by partition, told the log in order."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor
from dataclasses import replace

import numpy as np
import polars as pl

from headrace.block import Block, TopicPartition
from headrace.delivery.seen import Seen
from headrace.delivery.threads import in_thread
from headrace.frame import OFFSET, Decode, Frame
from headrace.headers import redriven
from headrace.topology.model import Topology


class Duplicates:
    """The filters of all partitions whose topic declares ``dedupe``.

    A filter is a function of the log (see ``Seen``). Where a partition's delivery begins, it must
    have been told the window before: ``begin`` says from where, ``recall`` tells it. A filter
    outlives a rebalance, so a worker that keeps a partition need not read that again.

    A record that a redrive has sent (``headers.REDRIVEN``) is never a repeat, but later ones are
    repeats of it: that, too, follows from the log alone.
    """

    def __init__(
        self,
        topology: Topology,
        decode_ids: Mapping[str, Decode],
        executor: Executor,
        on_recalled: Callable[[], None],
    ) -> None:
        self._declared = {name: t.dedupe for name, t in topology.topics.items() if t.dedupe}
        self._decode_ids = decode_ids
        self._executor = executor
        self._on_recalled = on_recalled
        self._seen: dict[TopicPartition, Seen] = {}
        self._turns: dict[TopicPartition, asyncio.Future[None]] = {}
        #: Blocks being recalled, and the bytes of their values, by partition.
        self.recalling: Counter[TopicPartition] = Counter()
        self.nbytes = 0

    def begin(self, tp: TopicPartition, position: int) -> int:
        """Delivery of a partition begins at ``position``; returns from where to read the log.

        What lies between must be recalled. It may be before the beginning of the log.
        """
        declared = self._declared.get(tp.topic)
        if declared is None:
            return position
        seen = self._seen.get(tp, Seen(declared.window))
        self._seen[tp], since = seen.at(position)
        self._turns.pop(tp, None)
        return since

    def keep(self, tps: Collection[TopicPartition]) -> None:
        """Forget all other partitions."""
        for tp in self._seen.keys() - set(tps):
            del self._seen[tp]
            self._turns.pop(tp, None)

    def recall(self, block: Block) -> asyncio.Future[None]:
        """Remember a block's ids; the block itself is not delivered."""
        self.recalling[block.tp] += 1
        self.nbytes += block.nbytes
        turn = self._turn(block.tp)
        return asyncio.ensure_future(self._recall(block, self._seen[block.tp], *turn))

    def decode(self, block: Block, decode: Decode) -> asyncio.Future[Frame]:
        """Decode a block and drop the records that are repeats.

        Blocks of a partition may be decoded at the same time; each waits for the one before it
        to be remembered. Call in the order of the log.
        """
        if block.topic not in self._declared:
            return asyncio.ensure_future(in_thread(self._executor, decode, block))
        turn = self._turn(block.tp)
        return asyncio.ensure_future(self._decode(block, decode, self._seen[block.tp], *turn))

    async def _recall(
        self,
        block: Block,
        seen: Seen,
        before: asyncio.Future[None] | None,
        mine: asyncio.Future[None],
    ) -> None:
        try:
            await self._decode(block, self._decode_ids[block.topic], seen, before, mine)
        finally:
            self.recalling[block.tp] -= 1
            self.nbytes -= block.nbytes
        self._on_recalled()

    async def _decode(
        self,
        block: Block,
        decode: Decode,
        seen: Seen,
        before: asyncio.Future[None] | None,
        mine: asyncio.Future[None],
    ) -> Frame:
        try:
            frame = await in_thread(self._executor, decode, block)
            if before is not None:
                await asyncio.shield(before)
            kept = await in_thread(self._executor, self._first_only, frame, seen)
        except BaseException:
            mine.cancel()  # what follows can't know any more what is a repeat
            raise
        mine.set_result(None)
        return kept

    def _first_only(self, frame: Frame, seen: Seen) -> Frame:
        declared = self._declared[frame.topic]
        assert declared is not None
        return first_only(frame, declared.key, seen)

    def _turn(self, tp: TopicPartition) -> tuple[asyncio.Future[None] | None, asyncio.Future[None]]:
        before = self._turns.get(tp)
        self._turns[tp] = mine = asyncio.get_running_loop().create_future()
        return before, mine


def first_only(frame: Frame, key: str, seen: Seen) -> Frame:
    """The frame without repeats of what ``seen`` was told, which is told the frame.

    Frames of a partition come in the order of the log.
    """
    df = frame.df
    offsets = df[OFFSET].to_numpy()
    repeated = seen.repeats(df[key], offsets, frame.block.last)
    # Sent again on purpose: its id may stand in the window because it was set aside there.
    repeated[repeated] = ~redriven(frame.block, offsets[repeated])
    count = int(np.count_nonzero(repeated))
    if not count:
        return frame
    return replace(frame, df=df.filter(pl.Series(~repeated)), repeats=count)
