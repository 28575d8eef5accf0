"""What one partition needs beyond sinks: states before a block, and its outbox to Kafka."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from headrace.agent import StatefulAgent, States
from headrace.block import TopicPartition
from headrace.delivery.crash import point
from headrace.delivery.retry import retry
from headrace.delivery.timers import Timers
from headrace.frame import Frame
from headrace.keyed.store import Emitter, KeyedStore
from headrace.metrics import Metrics
from headrace.sink import BlockRange
from headrace.topology.model import Topology
from headrace.writes import Outgoing


@dataclass(frozen=True, slots=True)
class Keyed:
    """Where states are kept and how events are sent; ``headrace.app`` composes it."""

    store: KeyedStore
    emitter: Emitter
    stateful: Mapping[str, StatefulAgent]
    timers: Timers | None = None

    def of(self, topology: Topology, tp: TopicPartition, metrics: Metrics) -> KeyedPartition | None:
        """For a partition whose agents keep state or emit events; else None: it costs nothing."""
        names = topology.agents_of(tp.topic)
        agents = [topology.agents[name] for name in names]
        if not any(agent.state or agent.writes.topics for agent in agents):
            return None
        stateful = {name: self.stateful[name] for name in names if name in self.stateful}
        return KeyedPartition(tp, self.store, self.emitter, stateful, metrics)


class KeyedPartition:
    """Used by the partition's delivery, one block at a time."""

    def __init__(
        self,
        tp: TopicPartition,
        store: KeyedStore,
        emitter: Emitter,
        stateful: Mapping[str, StatefulAgent],
        metrics: Metrics,
    ) -> None:
        self.tp = tp
        #: The sink that keeps it all.
        self.sink = store.name
        self.stateful = stateful
        self._store = store
        self._emitter = emitter
        self._metrics = metrics

    async def read(
        self, block: BlockRange, before: int, frame: Frame
    ) -> Mapping[str, States] | None:
        """States before a block by keyspace, as ``KeyedStore.read`` has them; waits for the store.

        The block before must be applied: only then is there what it left. Raises Behind, Terminal.
        """
        wanted = {agent.keyspace: agent.keys(frame) for agent in self.stateful.values()}
        return await retry(f"{block}: states", lambda: self._store.read(block, before, wanted))

    async def aside(self, block: BlockRange) -> Sequence[int]:
        """Offsets that the agents with state set aside of a block that the store has already."""
        if not self.stateful:
            return ()
        return await retry(f"{block}: set aside", partial(self._store.aside, block))

    async def relay(self, check: Callable[[], Awaitable[None]]) -> None:
        """Send all that is in the outbox, in order, and remove it; waits for store and Kafka.

        ``check`` is called before each sending: it raises when the partition is somebody else's.
        A worker that dies here leaves what its successor sends (again).
        """
        while pending := await retry(f"{self.tp}: outbox", lambda: self._store.outbox(self.tp)):
            events = [one.event for one in pending]

            await retry(f"{self.tp}: emitted events", partial(self._send, events, check))
            point("emitted")
            await retry(f"{self.tp}: outbox", partial(self._store.sent, self.tp, pending))
            self._metrics.emitted.update(event.topic for event in events)
            point("relayed")

    async def _send(self, events: Sequence[Outgoing], check: Callable[[], Awaitable[None]]) -> None:
        await check()
        await self._emitter.send(events)
