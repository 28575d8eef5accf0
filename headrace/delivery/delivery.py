"""All assigned partitions' deliveries: where each starts, and what it needs."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

from headrace.agent import AgentFunction
from headrace.block import Block, TopicPartition
from headrace.clock import Clock
from headrace.delivery.ceiling import Ceiling
from headrace.delivery.committer import Committer
from headrace.delivery.duplicates import Duplicates
from headrace.delivery.job import Job
from headrace.delivery.keyed import Keyed
from headrace.delivery.log import DeadLetters, Offsets
from headrace.delivery.pace import Pace, Turn
from headrace.delivery.partition import PartitionDelivery
from headrace.delivery.retry import retry
from headrace.delivery.start import Plan, Start, plan
from headrace.frame import Decode
from headrace.metrics import Metrics
from headrace.sink import Mark, Sink
from headrace.telemetry.blocks import BlockTrace
from headrace.topology.model import Topology

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What delivery is made of; ``headrace.app`` composes it."""

    topology: Topology
    decoders: Mapping[str, Decode]
    #: For topics with ``dedupe``: decode nothing but the ids.
    id_decoders: Mapping[str, Decode]
    agents: Mapping[str, AgentFunction]
    sinks: Sequence[Sink]
    dead_letters: DeadLetters
    executor: Executor
    clock: Clock
    metrics: Metrics
    lease_s: float
    on_room: Callable[[], None]
    on_fatal: Callable[[Exception], None]
    on_behind: Callable[[TopicPartition], None]
    #: Where agents keep state or emit events.
    keyed: Keyed | None = None


class Delivery:
    """Owns acknowledgement: offsets are committed here and nowhere else."""

    def __init__(self, parts: Parts, offsets: Offsets) -> None:
        self._parts = parts
        self._offsets = offsets
        self._committer = Committer(offsets)
        self._ceiling = Ceiling(parts.topology.dead_letters)
        self._partitions: dict[TopicPartition, PartitionDelivery] = {}
        self._duplicates = Duplicates(
            parts.topology, parts.id_decoders, parts.executor, parts.on_room
        )
        #: Whose turn it is: see ``offer``.
        self.pace = Pace(parts.topology.delivery, parts.clock)
        self._recalls: dict[asyncio.Future[None], TopicPartition] = {}
        config = parts.topology.delivery
        self._exactly_once = config.guarantee == "exactly_once"
        self._stateful = parts.keyed.stateful if parts.keyed else {}
        self._timing: asyncio.Task[None] | None = None

    async def assign(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Start]:
        """Begin delivering partitions; returns where each must be consumed from.

        Reads the committed positions and how far each sink says it is. A sink behind the
        committed position is caught up alone: blocks up to another sink's mark skip that sink.
        """
        await self.revoke(tps, 0.0)
        committed = await retry("committed offsets", lambda: self._offsets.committed(tps))
        marks = await self._marks(tps) if self._exactly_once else {}
        starts = {}
        for tp in tps:
            planned = plan(committed.get(tp), marks.get(tp, {}))
            log.info("%s: starts at %s", tp, planned.start)
            starts[tp] = planned.start
            self._parts.metrics.replays[tp.topic] += len(planned.start.wholes)
            self._partitions[tp] = self._deliver(tp, planned)
        self._time()
        return starts

    def _time(self) -> None:
        """See to it that timers run: for whatever is assigned from now on."""
        timers = self._parts.keyed.timers if self._parts.keyed else None
        if timers and self._timing is None:
            self._timing = asyncio.create_task(timers.run(self._partitions.keys), name="timers")
            self._timing.add_done_callback(self._ended)

    async def _marks(
        self, tps: Collection[TopicPartition]
    ) -> dict[TopicPartition, dict[str, Mark]]:
        async def ask(sink: Sink) -> dict[TopicPartition, Mark]:
            mine = [tp for tp in tps if sink.takes(tp.topic)]
            if not mine:
                return {}
            return await retry(f"{sink.name}: watermarks", partial(sink.watermarks, mine))

        sinks = self._parts.sinks
        answers = await asyncio.gather(*map(ask, sinks))
        marks: dict[TopicPartition, dict[str, Mark]] = {tp: {} for tp in tps}
        for sink, answer in zip(sinks, answers, strict=True):
            for tp, mark in answer.items():
                marks[tp][sink.name] = mark
        return marks

    async def revoke(self, tps: Collection[TopicPartition], timeout: float) -> None:
        """Stop delivering partitions; blocks being written are finished, at most ``timeout`` s."""
        for task, tp in self._recalls.items():
            if tp in tps:
                task.cancel()
        gone = [self._partitions.pop(tp) for tp in tps if tp in self._partitions]
        await asyncio.gather(*(partition.stop(timeout) for partition in gone))

    async def stop(self, timeout: float) -> None:
        """Stop all partitions, and timers."""
        if self._timing is not None:
            self._timing.cancel()
        await self.revoke(list(self._partitions), timeout)

    def room(self, tp: TopicPartition) -> int:
        """How many more blocks of a partition may be offered now."""
        partition = self._partitions.get(tp)
        return partition.room - self._duplicates.recalling[tp] if partition else 0

    def idle(self) -> bool:
        """Whether everything offered is applied and committed."""
        return all(partition.idle for partition in self._partitions.values())

    @property
    def nbytes(self) -> int:
        """Bytes of record values in the blocks under way."""
        offered = sum(partition.nbytes for partition in self._partitions.values())
        return offered + self._duplicates.nbytes

    def begin(self, tp: TopicPartition, position: int) -> int:
        """Say where an assigned partition's first offered block will start.

        Returns from where its log must be read: blocks before ``position`` must be told by
        ``recall``, in order, before any is offered. It may be before the beginning of the log.
        """
        return self._duplicates.begin(tp, position)

    def keep(self, tps: Collection[TopicPartition]) -> None:
        """These are all that is assigned: what is remembered of others may go."""
        self._duplicates.keep(tps)

    def recall(self, block: Block) -> None:
        """Take notice of a block that was delivered before, so that its repeats are known."""
        task = self._duplicates.recall(block)
        self._recalls[task] = block.tp
        task.add_done_callback(self._recalled)

    def _recalled(self, task: asyncio.Future[None]) -> None:
        del self._recalls[task]
        self._ended(task)

    def _ended(self, task: asyncio.Future[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._parts.on_fatal(error if isinstance(error, Exception) else RuntimeError(error))

    def offer(self, block: Block, turn: Turn | None = None) -> Job:
        """Start work on a block; its agents must then be run on the Job.

        ``turn`` is the one that the block was cut for, if it had to wait for one.
        """
        parts = self._parts
        names = parts.topology.agents_of(block.topic)
        job = Job(
            block,
            self._duplicates.decode(block, parts.decoders[block.topic]),
            {name: parts.agents[name] for name in names if name in parts.agents},
            parts.executor,
            turn,
            BlockTrace(block, parts.topology.name),
            {name: self._stateful[name] for name in names if name in self._stateful},
        )
        self._partitions[block.tp].offer(job)
        return job

    def _deliver(self, tp: TopicPartition, planned: Plan) -> PartitionDelivery:
        parts = self._parts
        return PartitionDelivery(
            tp,
            sinks=[sink for sink in parts.sinks if sink.takes(tp.topic)],
            applied=planned.applied,
            held=planned.held,
            doubts=planned.doubts,
            committer=self._committer,
            dead_letters=parts.dead_letters,
            ceiling=self._ceiling,
            metrics=parts.metrics,
            clock=parts.clock,
            exactly_once=self._exactly_once,
            lease_s=parts.lease_s,
            room=parts.topology.delivery.in_flight_blocks,
            on_room=parts.on_room,
            on_fatal=parts.on_fatal,
            on_behind=parts.on_behind,
            keyed=parts.keyed.of(parts.topology, tp, parts.metrics) if parts.keyed else None,
        )
