"""Delivery of one partition: its blocks in order, each intended, applied, done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

from headrace.block import Block, TopicPartition
from headrace.clock import Clock
from headrace.delivery.ceiling import Ceiling
from headrace.delivery.committer import Committer
from headrace.delivery.crash import point
from headrace.delivery.intent import Position, Reached
from headrace.delivery.job import Job, Outcome
from headrace.delivery.keyed import KeyedPartition
from headrace.delivery.log import DeadLetters
from headrace.delivery.retry import retry
from headrace.errors import Behind, Fenced
from headrace.metrics import Metrics
from headrace.sink import BlockRange, Sink
from headrace.writes import Writes

log = logging.getLogger(__name__)


class PartitionDelivery:
    """Applies the blocks of one partition to every sink, in offset order.

    Under ``exactly_once`` a block is intended (its range is committed beside the offset) before it
    is applied, so that whoever comes after a crash applies exactly that block again; sinks drop
    what they have. ``applied`` says how far each sink is already: blocks up to there skip it.
    ``held`` is what each sink says of itself, and ``doubts`` where the block ends that it may hold
    besides; see ``delivery.start``.
    """

    def __init__(
        self,
        tp: TopicPartition,
        *,
        sinks: Sequence[Sink],
        applied: Mapping[str, int],
        held: Mapping[str, int],
        doubts: Mapping[str, int],
        committer: Committer,
        dead_letters: DeadLetters,
        ceiling: Ceiling,
        metrics: Metrics,
        clock: Clock,
        exactly_once: bool,
        lease_s: float,
        room: int,
        on_room: Callable[[], None],
        on_fatal: Callable[[Exception], None],
        on_behind: Callable[[TopicPartition], None],
        keyed: KeyedPartition | None = None,
    ) -> None:
        self.tp = tp
        self._sinks = sinks
        self._applied = dict(applied)
        self._held = dict(held)
        self._doubts = dict(doubts)
        self._committer = committer
        self._dead_letters = dead_letters
        self._ceiling = ceiling
        self._metrics = metrics
        self._clock = clock
        self._exactly_once = exactly_once
        self._lease_s = lease_s
        self._room = room
        self._on_room = on_room
        self._on_fatal = on_fatal
        self._on_behind = on_behind
        self._keyed = keyed
        self._queue: asyncio.Queue[Job] = asyncio.Queue()
        self._in_flight = 0
        #: Bytes of record values in the blocks offered and not yet done.
        self.nbytes = 0
        self._writing = False
        self._stopping = False
        self._lease_until = 0.0
        self._renewing = asyncio.Lock()
        self._task = asyncio.create_task(self._run(), name=f"delivery {tp}")

    @property
    def room(self) -> int:
        """How many more blocks may be offered now."""
        return 0 if self._stopping or self._task.done() else self._room - self._in_flight

    @property
    def idle(self) -> bool:
        """Whether everything offered is applied and committed."""
        return self._in_flight == 0

    def offer(self, job: Job) -> None:
        """Take the next block; its range must follow the last one's."""
        self._in_flight += 1
        self.nbytes += job.block.nbytes
        self._queue.put_nowait(job)

    async def stop(self, timeout: float) -> None:
        """Finish the block that is being written, drop those that are not; at most ``timeout`` s.

        A write that does not finish in time stays in doubt: the successor applies it again.
        """
        self._stopping = True
        if self._writing:
            await asyncio.wait([self._task], timeout=timeout)
        self._task.cancel()
        await asyncio.wait([self._task])
        while not self._queue.empty():
            self._queue.get_nowait().cancel()

    async def _run(self) -> None:
        job: Job | None = None
        try:
            if self._keyed is not None:
                await self._keyed.relay(_nothing)  # what a worker left that died
            while not self._stopping:
                job = await self._queue.get()
                with job.trace.current():
                    await self._deliver(job)
                job.trace.end()
                self._in_flight -= 1
                self.nbytes -= job.block.nbytes
                self._on_room()
        except Fenced as error:
            log.info("%s: taken away, block dropped unwritten: %s", self.tp, error)
        except Behind as error:
            log.error("%s: catching a sink up from the log: %s", self.tp, error)
            self._on_behind(self.tp)
        except Exception as error:
            if job is not None:
                job.trace.failed(error)
            self._on_fatal(error)
        finally:
            if job is not None:
                job.cancel()

    async def _deliver(self, job: Job) -> None:
        block = job.block
        point("planned")
        # The intent comes after the computing, so that its lease is young when the writing begins.
        outcome = await self._outcome(job)
        point("computed")
        if self._exactly_once:
            with job.trace.step("intend"):
                await self._intend(block)
            point("intended")
        self._writing = True
        try:
            await self._set_aside(job, outcome)
            await self._apply(job, outcome.writes)
            job.written()
            self._metrics.block_done(block, outcome)
            job.trace.outcome(outcome.events, outcome.repeats, len(outcome.bad))
            if self._queue.empty() or not self._exactly_once:
                with job.trace.step("commit"):
                    await self._commit(block.last + 1)
                point("done")
        finally:
            self._writing = False

    async def _outcome(self, job: Job) -> Outcome:
        """Agents with state are run unless the block's part of the store is applied already."""
        keyed, block = self._keyed, job.block
        if keyed is None:
            return await job.outcome()
        span, before = _range(block), self._held.get(keyed.sink, -1)
        if self._applied.get(keyed.sink, -1) >= block.last:
            return await job.outcome(aside=await keyed.aside(span))
        return await job.outcome(lambda frame: keyed.read(span, before, frame))

    async def _set_aside(self, job: Job, outcome: Outcome) -> None:
        block = job.block
        self._ceiling.check(str(block), len(block), len(outcome.bad))
        self._metrics.dead_letter_ratio = self._ceiling.ratio
        if outcome.bad:
            with job.trace.step("dead letters"):
                await retry(
                    f"{block}: dead letters", lambda: self._dead_letters.send(block, outcome.bad)
                )
            self._metrics.dead_lettered(block, outcome.bad, self._clock.now_ms())
        point("dead_lettered")

    async def _apply(self, job: Job, writes: Writes) -> None:
        block = job.block
        span, combined, keyed = _range(block), writes.combined(), self._keyed

        async def one(sink: Sink) -> None:
            applied = self._applied.get(sink.name, -1)
            if applied >= block.last:
                return
            rest = combined.after(applied) if applied >= block.first else combined
            started = self._clock.monotonic()

            async def attempt() -> int | None:
                await self._check_lease(block)
                return await sink.apply(span, rest)

            with job.trace.write(sink.name, sink.store):
                held = await retry(
                    f"{block}: {sink.name}",
                    attempt,
                    lambda: self._metrics.sink_retried(sink.store, self._clock.now_ms()),
                )
            self._applied[sink.name] = block.last
            self._doubts.pop(sink.name, None)
            if held is not None:
                self._held[sink.name] = held
            self._metrics.sink_applied(
                sink.store, block, self._clock.now_ms(), self._clock.monotonic() - started
            )
            point("applied_one")
            if keyed is not None and sink.name == keyed.sink and writes.outgoing:
                with job.trace.step("emit"):
                    await keyed.relay(partial(self._check_lease, block))

        tasks = [asyncio.create_task(one(sink)) for sink in self._sinks]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
        point("applied")

    async def _check_lease(self, block: Block) -> None:
        """Ask the coordinator again when the intent is old: a zombie finds out before it writes."""
        async with self._renewing:  # sinks write at the same time, one asks for all
            if self._exactly_once and self._clock.monotonic() >= self._lease_until:
                await self._intend(block)

    async def _intend(self, block: Block) -> None:
        asked = self._clock.monotonic()
        await self._commit(block.first, block.last)
        self._lease_until = asked + self._lease_s

    async def _commit(self, offset: int, last: int | None = None) -> None:
        marks = {}
        if self._exactly_once:
            for name, held in self._held.items():
                applied, doubt = self._applied.get(name, -1), self._doubts.get(name)
                if applied >= offset:
                    marks[name] = Reached(held, applied, doubt)
                else:
                    marks[name] = Reached(held)
                    last = last if doubt is None else doubt
        position = Position(offset, last, marks)
        await retry(
            f"{self.tp}: commit",
            lambda: self._committer.commit(self.tp, position),
            lambda: self._metrics.commit_retried(self._clock.now_ms()),
        )
        self._metrics.committed()


def _range(block: Block) -> BlockRange:
    return BlockRange(block.topic, block.partition, block.first, block.last)


async def _nothing() -> None:
    """Nothing is in doubt yet that another worker could have taken over."""
