"""Group commit: partitions that commit at the same time share one request."""

from __future__ import annotations

import asyncio

from headrace.block import TopicPartition
from headrace.delivery.intent import Position
from headrace.delivery.log import Offsets
from headrace.errors import Fenced


class Committer:
    """Batches commits of many partitions; one request is under way at a time.

    Commits of one partition are accepted in the order in which they were asked for, because a
    partition awaits each of its own.
    """

    def __init__(self, offsets: Offsets) -> None:
        self._offsets = offsets
        self._waiting: dict[TopicPartition, tuple[Position, asyncio.Future[None]]] = {}
        self._task: asyncio.Task[None] | None = None
        self.requests = 0

    async def commit(self, tp: TopicPartition, position: Position) -> None:
        """Commit and return once the broker accepted; raises Fenced or Transient."""
        waiting = self._waiting.get(tp)
        if waiting is not None and not waiting[1].cancelled():
            raise RuntimeError(f"{tp}: a commit is already waiting")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting[tp] = (position, done)
        if self._task is None:
            self._task = asyncio.create_task(self._run())
        await done

    async def _run(self) -> None:
        try:
            while self._waiting:
                asked, self._waiting = self._waiting, {}
                # A partition that was taken away meanwhile no longer waits: nothing is sent for it.
                batch = {tp: entry for tp, entry in asked.items() if not entry[1].cancelled()}
                if batch:
                    await self._send(batch)
        finally:
            self._task = None

    async def _send(
        self, batch: dict[TopicPartition, tuple[Position, asyncio.Future[None]]]
    ) -> None:
        self.requests += 1
        try:
            await self._offsets.commit({tp: position for tp, (position, _) in batch.items()})
        except Fenced as error:
            if len(batch) == 1:
                _settle(batch, error)
            else:  # one partition that was taken away must not fence its neighbours
                for tp, entry in batch.items():
                    await self._send({tp: entry})
        except Exception as error:
            _settle(batch, error)
        else:
            _settle(batch, None)


def _settle(
    batch: dict[TopicPartition, tuple[Position, asyncio.Future[None]]], error: Exception | None
) -> None:
    for _, done in batch.values():
        if done.cancelled():
            continue
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)
