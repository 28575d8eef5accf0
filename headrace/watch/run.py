"""Composes the watching process, and begins again when a service was away."""

from __future__ import annotations

import asyncio
import functools
import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

from headrace import endpoints, topology
from headrace.clock import SystemClock
from headrace.endpoints import Endpoints
from headrace.errors import ConfigError, Transient
from headrace.lag import LagReader
from headrace.security import grants
from headrace.serve.context import Context
from headrace.serve.queries import Views
from headrace.topology.model import Topology
from headrace.watch.minutes import MinuteReader
from headrace.watch.post import post
from headrace.watch.process import Told, Watching
from headrace.watch.progress import ByEvents, ByPositions, Progress
from headrace.watch.settings import Target
from headrace.watch.store import StateStore
from headrace.watch.topic import AlertsTopic, Records
from headrace.watch.webhook import Webhook

log = logging.getLogger(__name__)

#: Between two looks at the views.
PERIOD_S: Final = 5.0
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0


class Runner:
    """Watches a project's pipeline until told to stop."""

    def __init__(
        self, root: Path, target: Target | None, told: Told, event_time: bool, from_beginning: bool
    ) -> None:
        """Raises ConfigError when the topology is wrong, watches nothing, or has no services."""
        self._root = root
        self._topology: Topology = topology.load(root)
        if not self._topology.anomalies.watches:
            raise ConfigError("topology.yaml: anomalies.watches: nothing is declared to be watched")
        self._where: Endpoints = endpoints.load(root)
        self._target = target
        self._told = told
        self._event_time = event_time
        self._from_beginning = from_beginning

    async def run(self, stop: asyncio.Event) -> None:
        """Until ``stop`` is set; raises Fenced when another process takes over, ConfigError."""
        pause = FIRST_PAUSE_S
        while not stop.is_set():
            try:
                async with self._open() as watching:
                    while not stop.is_set():
                        await watching.step(self._from_beginning)
                        pause = FIRST_PAUSE_S
                        await _wait(stop, PERIOD_S)
            except Transient as error:
                log.warning("%s; beginning again in %.0f s", error, pause)
                await _wait(stop, pause)
                pause = min(2 * pause, LONGEST_PAUSE_S)

    async def once(self) -> int:
        """Judge what is complete now; returns how many minutes. Raises Transient, Fenced.

        Only for event time that is not the wall clock's: what is complete is known at once there.
        """
        async with self._open() as watching:
            return await watching.step(self._from_beginning)

    @asynccontextmanager
    async def _open(self) -> AsyncIterator[Watching]:
        declared, where = self._topology, self._where
        async with AsyncExitStack() as stack:
            records = Records(self._root, declared)
            topic = AlertsTopic(declared, records, where.kafka)
            stack.callback(topic.close)
            store = StateStore(where.redis, declared.redis.prefix)
            stack.push_async_callback(store.close)
            views = Views(Context(self._root, declared))
            stack.push_async_callback(views.close)
            progress = self._progress(stack)
            watching = Watching(
                declared, MinuteReader(declared, views), progress, store, topic, self._told
            )
            if self._target is not None:
                webhook = self._webhook(self._target, records)
                stack.push_async_callback(asyncio.to_thread, webhook.close)
                await asyncio.to_thread(webhook.start)
            await watching.open()
            yield watching

    def _progress(self, stack: AsyncExitStack) -> Progress:
        declared = self._topology
        lateness = declared.anomalies.lateness_minutes
        if self._event_time:
            return ByEvents(lateness)
        partitions = declared.topic_partitions(_sources(declared))
        reader = stack.enter_context(LagReader(self._where.kafka, declared.name, partitions))
        return ByPositions(lateness, SystemClock(), reader.read)

    def _webhook(self, target: Target, records: Records) -> Webhook:
        declared = self._topology
        tell = functools.partial(post, target, SystemClock())
        group = grants.watch_group(declared)
        return Webhook(declared.alerts_topic, group, self._where.kafka, records.decode, tell)


def _sources(declared: Topology) -> list[str]:
    """The topics that feed the watched views."""
    config = declared.clickhouse
    views = {declared.metrics[watch.metric].view for watch in declared.anomalies.watches.values()}
    return sorted({config.tables[table].topic for v in views for table in config.views[v].from_})


async def _wait(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return
