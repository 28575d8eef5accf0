"""The loop: complete minutes from the views, through the detectors, to the topic of alerts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Final

from headrace.anomaly.watcher import Watcher
from headrace.topology.model import Topology
from headrace.watch.minutes import MinuteReader
from headrace.watch.progress import Progress
from headrace.watch.store import Saved, StateStore
from headrace.watch.topic import AlertsTopic

log = logging.getLogger(__name__)

#: Minutes judged between two savings of the state, at most.
BATCH: Final = 60

Told = Callable[[dict[str, Any]], None]


class Watching:
    """One process at a time watches a pipeline: who opens takes over.

    Each event is in the topic exactly once: what the state before it led to is saved together with
    the state, then sent in a transaction. After a crash between the two, the topic tells.
    """

    def __init__(
        self,
        topology: Topology,
        reader: MinuteReader,
        progress: Progress,
        store: StateStore,
        topic: AlertsTopic,
        told: Told,
    ) -> None:
        self._topology = topology
        self._reader = reader
        self._progress = progress
        self._store = store
        self._topic = topic
        self._told = told
        self._watcher = Watcher(topology)

    async def open(self) -> None:
        """Take over where the last one was; raises Transient."""
        await asyncio.to_thread(self._topic.open)
        saved = await self._store.open()
        if saved is None:
            return
        for name in self._watcher.load(saved.state):
            log.warning("anomalies.watches.%s is new or was changed: it learns from now on", name)
        if saved.unsent:
            sent = await asyncio.to_thread(self._topic.sent_after, saved.after)
            await self._send([e for e in saved.unsent if e["event_id"] not in sent])

    async def step(self, from_beginning: bool) -> int:
        """Judge what is complete by now; returns how many minutes that was.

        The very first minute is the one that leaves as many as are only learned from, so that
        nothing past is told; ``from_beginning`` it is the first that the views have.
        Raises Transient, Fenced.
        """
        span = await self._reader.span()
        newest = None if span is None else span[1]
        complete = await asyncio.to_thread(self._progress.complete, newest)
        if span is None or complete is None:
            return 0
        first = self._watcher.minute
        first = self._beginning(span[0], complete, from_beginning) if first is None else first + 1
        for begin in range(first, complete + 1, BATCH):
            await self._judge(begin, min(begin + BATCH - 1, complete))
        return max(complete + 1 - first, 0)

    def _beginning(self, oldest: int, complete: int, from_beginning: bool) -> int:
        declared = self._topology.anomalies
        learning = declared.learn_seasons * declared.season_minutes
        return oldest if from_beginning else max(oldest, complete + 1 - learning)

    async def _judge(self, first: int, last: int) -> None:
        values = await self._reader.read(first, last)
        events = []
        for minute in range(first, last + 1):
            events += self._watcher.judge(minute, values.get(minute, {}))
        after = await asyncio.to_thread(self._topic.end) if events else 0
        await self._store.save(Saved(self._watcher.dump(), events, after))
        await self._send(events)

    async def _send(self, events: list[dict[str, Any]]) -> None:
        if not events:
            return
        await asyncio.to_thread(self._topic.send, events)
        for event in events:
            self._told(event)
