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
from headrace.delivery.intent import Position
from headrace.delivery.job import Decode, Job
from headrace.delivery.log import DeadLetters, Offsets
from headrace.delivery.partition import PartitionDelivery
from headrace.delivery.retry import retry
from headrace.metrics import Metrics
from headrace.sink import Sink
from headrace.topology.model import Topology

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """Where a partition's consumption begins.

    ``position`` None means the beginning of the log. ``ends`` are offsets at which a block must
    end because a sink is applied up to there; ``in_doubt`` is the block to be repeated as it was.
    """

    position: int | None
    ends: tuple[int, ...] = ()
    in_doubt: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Parts:
    """What delivery is made of; ``headrace.app`` composes it."""

    topology: Topology
    decoders: Mapping[str, Decode]
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


class Delivery:
    """Owns acknowledgement: offsets are committed here and nowhere else."""

    def __init__(self, parts: Parts, offsets: Offsets) -> None:
        self._parts = parts
        self._offsets = offsets
        self._committer = Committer(offsets)
        self._ceiling = Ceiling(parts.topology.dead_letters)
        self._partitions: dict[TopicPartition, PartitionDelivery] = {}
        config = parts.topology.delivery
        self._exactly_once = config.guarantee == "exactly_once"

    async def assign(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Start]:
        """Begin delivering partitions; returns where each must be consumed from.

        Reads the committed positions and how far each sink says it is. A sink behind the
        committed position is caught up alone: blocks up to another sink's mark skip that sink.
        """
        await self.revoke(tps, 0.0)
        committed = await retry("committed offsets", lambda: self._offsets.committed(tps))
        marks: dict[str, Mapping[TopicPartition, int]] = {}
        if self._exactly_once:
            for sink in self._parts.sinks:
                marks[sink.name] = await retry(
                    f"{sink.name}: watermarks", partial(sink.watermarks, tps)
                )
        starts = {}
        for tp in tps:
            applied_to = {
                name: held[tp] for name, held in marks.items() if held.get(tp) is not None
            }
            start = plan_start(committed.get(tp), applied_to, tuple(marks))
            log.info("%s: starts at %s", tp, start)
            starts[tp] = start
            self._partitions[tp] = self._deliver(
                tp, skip_to(committed.get(tp), applied_to, tuple(marks))
            )
        return starts

    async def revoke(self, tps: Collection[TopicPartition], timeout: float) -> None:
        """Stop delivering partitions; blocks being written are finished, at most ``timeout`` s."""
        gone = [self._partitions.pop(tp) for tp in tps if tp in self._partitions]
        await asyncio.gather(*(partition.stop(timeout) for partition in gone))

    async def stop(self, timeout: float) -> None:
        """Stop all partitions."""
        await self.revoke(list(self._partitions), timeout)

    def room(self, tp: TopicPartition) -> int:
        """How many more blocks of a partition may be offered now."""
        partition = self._partitions.get(tp)
        return partition.room if partition else 0

    def idle(self) -> bool:
        """Whether everything offered is applied and committed."""
        return all(partition.idle for partition in self._partitions.values())

    @property
    def nbytes(self) -> int:
        """Bytes of record values in the blocks under way."""
        return sum(partition.nbytes for partition in self._partitions.values())

    def offer(self, block: Block) -> Job:
        """Start work on a block; its agents must then be run on the Job."""
        parts = self._parts
        names = parts.topology.agents_of(block.topic)
        job = Job(
            block,
            parts.decoders[block.topic],
            {name: parts.agents[name] for name in names},
            parts.executor,
        )
        self._partitions[block.tp].offer(job)
        return job

    def _deliver(self, tp: TopicPartition, applied_to: Mapping[str, int]) -> PartitionDelivery:
        parts = self._parts
        return PartitionDelivery(
            tp,
            sinks=parts.sinks,
            applied_to=applied_to,
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
        )


def plan_start(
    committed: Position | None, applied_to: Mapping[str, int], sinks: Sequence[str]
) -> Start:
    """Decide where to consume from, given the commit and how far each sink is.

    ``applied_to`` holds last applied offsets, -1 for a sink that holds nothing; a sink in
    ``sinks`` that is missing there can't tell and counts as applied up to the committed offset.
    """
    if committed is None:
        known = [applied_to.get(name, -1) for name in sinks]
        if max(known, default=-1) < 0:
            return Start(None)
        return Start(min(known) + 1, tuple(sorted({mark for mark in known if mark >= 0})))
    in_doubt = None if committed.last is None else (committed.offset, committed.last)
    behind = [mark for mark in applied_to.values() if mark + 1 < committed.offset]
    if not behind:
        return Start(committed.offset, (), in_doubt)
    ends = {mark for mark in applied_to.values() if min(behind) < mark < committed.offset}
    return Start(min(behind) + 1, tuple(sorted(ends | {committed.offset - 1})), in_doubt)


def skip_to(
    committed: Position | None, applied_to: Mapping[str, int], sinks: Sequence[str]
) -> dict[str, int]:
    """How far each sink is to be skipped: to where it says, or else to the committed offset."""
    if committed is None:
        return dict(applied_to)
    return {name: applied_to.get(name, committed.offset - 1) for name in sinks}
