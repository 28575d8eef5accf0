"""Timers: keys that are due become events of their agent's own topic."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from headrace.agent import EncodeEvent
from headrace.block import TopicPartition
from headrace.clock import Clock
from headrace.errors import Transient
from headrace.keyed.store import Emitter, KeyedStore
from headrace.keyed.timer import timer_event
from headrace.metrics import Metrics
from headrace.topology.model import Agent, Topology
from headrace.writes import Outgoing

log = logging.getLogger(__name__)

POLL_S = 1.0
#: Keys of a partition that are looked at in one poll, the longest due first.
MOST = 10_000
#: A timer whose state stays as it was is sent again after so long, then after twice as long, …
AGAIN_S = 10.0
AGAIN_MOST_S = 600.0


@dataclass(frozen=True, slots=True)
class _Sent:
    """A timer that was sent: for which time, when to send it again, and the pause then."""

    due: int
    again_at: float
    pause: float


class Timers:
    """Polls the due times of owned partitions and sends an event for each key that is due.

    The event's id says agent, key and due time, so the topic's ``dedupe`` drops what is sent again:
    by the next owner after a crash, or because nothing changed the state meanwhile. Its key is the
    state's, and it goes to the partition that was polled.
    """

    def __init__(
        self,
        topology: Topology,
        store: KeyedStore,
        emitter: Emitter,
        encode: Mapping[str, EncodeEvent],
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._topology = topology
        self._store = store
        self._emitter = emitter
        self._encode = encode
        self._clock = clock
        self._metrics = metrics
        self._agents = {name: a for name, a in topology.agents.items() if a.timer and a.state}
        self._sent: dict[tuple[str, TopicPartition], dict[str, _Sent]] = {}

    def __bool__(self) -> bool:
        """Whether any agent has a timer."""
        return bool(self._agents)

    async def run(self, owned: Callable[[], Collection[TopicPartition]]) -> None:
        """Poll for ever. Raises Terminal; what may pass is tried again with the next poll."""
        while True:
            try:
                await self.poll(tuple(owned()))  # partitions come and go meanwhile
            except Transient as error:
                log.warning("timers wait: %s", error)
            await asyncio.sleep(POLL_S)

    async def poll(self, owned: Collection[TopicPartition]) -> None:
        """Send for each key of these partitions that is due. Raises Transient or Terminal."""
        for place in [place for place in self._sent if place[1] not in owned]:
            del self._sent[place]
        for name, agent in self._agents.items():
            for tp in owned:
                if tp.topic in agent.reads:
                    await self._poll(name, agent, tp)

    async def _poll(self, name: str, agent: Agent, tp: TopicPartition) -> None:
        assert agent.state is not None
        found = await self._store.due(tp, agent.state.keyspace, self._clock.now_ms(), MOST)
        before = self._sent.get((name, tp), {})
        now = self._clock.monotonic()
        sent: dict[str, _Sent] = {}
        events: list[Outgoing] = []
        for key, due in found:
            last = before.get(key)
            if last is not None and last.due == due and now < last.again_at:
                sent[key] = last
                continue
            pause = AGAIN_S
            if last is not None and last.due == due:
                pause = min(last.pause * 2, AGAIN_MOST_S)
            sent[key] = _Sent(due, now + pause, pause)
            events.append(self._event(name, tp, key, due))
        if events:
            await self._emitter.send(events)
            self._metrics.timers[name] += len(events)
        self._sent[name, tp] = sent  # of keys that are due no longer nothing is remembered

    def _event(self, name: str, tp: TopicPartition, key: str, due: int) -> Outgoing:
        event = timer_event(self._topology, name, key, due)
        return replace(self._encode[tp.topic](event), partition=tp.partition)
