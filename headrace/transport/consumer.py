"""Faust's consumer, feeding its agents one Block a message instead of one record a message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import Any

from faust.transport.drivers import aiokafka as driver
from faust.types import TP, ConsumerMessage

from headrace.block import Block, TopicPartition
from headrace.delivery.delivery import Delivery
from headrace.delivery.job import Job
from headrace.delivery.pace import Turn
from headrace.delivery.start import Start
from headrace.errors import HeadraceError
from headrace.metrics import Metrics
from headrace.preflight import partitions_changed
from headrace.topology.model import Delivery as Config
from headrace.transport.buffer import Cut, Fetched, OutOfStep, PartitionBuffer
from headrace.transport.thread import BlockConsumerThread

log = logging.getLogger(__name__)

CREATE_TIME = 0
FETCH_WAIT_S = 0.5
STOP_TIMEOUT_S = 10.0


class BlockConsumer(driver.Consumer):  # type: ignore[misc]
    """Yields a message per Block: its value is a ``Job``, its offset the Block's first.

    Group membership, rebalances and flow control stay Faust's. Acknowledgement does not: Faust's
    commit calls do nothing, offsets are committed by Delivery only.

    A partition is fetched while its buffer is not full and all partitions together hold less than
    ``memory_bytes``; a Block is handed on while Delivery has room for the partition. A slow sink
    so stops the fetching of its partitions, and memory stays bounded whatever the backlog.
    """

    _thread: BlockConsumerThread

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._config: Config = self.app.headrace.topology.delivery
        self._metrics: Metrics = self.app.headrace.metrics
        self._buffers: dict[TP, PartitionBuffer] = {}
        self._wake = asyncio.Event()
        self._crashing: asyncio.Future[None] | None = None
        self._restarts: set[asyncio.Future[None]] = set()
        self._fetch: asyncio.Task[Mapping[TP, Fetched]] | None = None
        self._asked: Collection[TP] = ()
        self._delivery: Delivery = self.app.headrace.deliver(
            offsets=self._thread,
            on_room=self._wake.set,
            on_fatal=self._on_fatal,
            on_behind=self._on_behind,
        )

    def _new_consumer_thread(self) -> BlockConsumerThread:
        return BlockConsumerThread(self, loop=self.loop, beacon=self.beacon)

    # -- positions -----------------------------------------------------------------------------

    async def perform_seek(self) -> None:
        """Begin consuming the assignment where Delivery says; called before Faust resumes the flow.

        When it does it empties its agents' queues, so a Block that were handed on before would be
        forgotten, and its partition stand still. Faust has stopped the flow by now only where
        partitions were taken away: not where there were none.
        """
        self.stop_flow()
        assignment = self.assignment()
        runtime = self.app.headrace
        for tp in assignment:
            if tp.partition >= runtime.topology.partitions(tp.topic):
                self._on_fatal(partitions_changed(runtime.topology, tp.topic))
                return
        self._buffers.clear()
        self._delivery.keep([TopicPartition(*tp) for tp in assignment])
        try:
            await runtime.start()
            await self._begin(assignment)
        except HeadraceError as error:
            self._on_fatal(error)

    async def _begin(self, tps: Collection[TP]) -> None:
        """Start the delivery of partitions, and read on where it says."""
        starts = await self._delivery.assign([TopicPartition(*tp) for tp in tps])
        for tp in tps:
            start = starts[TopicPartition(*tp)]
            position = start.position
            if position is None:
                position = (await self._thread.earliest_offsets(tp))[tp]
            await self._read_from(tp, position, _cuts(start))

    async def _read_from(self, tp: TP, begin: int, cuts: Sequence[Cut]) -> None:
        """Deliver from ``begin``; read from before it what delivery wants to be reminded of."""
        position = self._delivery.begin(TopicPartition(*tp), begin)
        if position < begin:
            position = min(max(position, (await self._thread.earliest_offsets(tp))[tp]), begin)
        await self._thread.seek_to(tp, position)
        self._read_offset[tp] = None
        self._buffers[tp] = PartitionBuffer(TopicPartition(*tp), position, cuts, begin)
        self._wake.set()

    async def _seek(self, partition: TP, offset: int) -> None:
        """Move a partition by hand: what is buffered is dropped, the next Block starts here.

        Under exactly_once the sinks pass over what they hold, so a Block ends where that ends.
        """
        tp = TopicPartition(*partition)
        self._buffers.pop(partition, None)
        await self._delivery.revoke([tp], STOP_TIMEOUT_S)
        start = (await self._delivery.assign([tp]))[tp]
        applied = [] if not start.position else [Cut(start.position - 1)]
        await self._read_from(partition, offset, [*applied, *_cuts(start)])

    def _on_behind(self, tp: TopicPartition) -> None:
        """A sink lost what it had: begin the partition again, which catches that sink up."""
        partition = TP(*tp)
        self._buffers.pop(partition, None)
        task = asyncio.ensure_future(self._begin([partition]))
        self._restarts.add(task)
        task.add_done_callback(self._restarted)

    def _restarted(self, task: asyncio.Future[None]) -> None:
        self._restarts.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._on_fatal(error if isinstance(error, Exception) else RuntimeError(repr(error)))

    async def on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        """Also told of an empty assignment, for which nothing is sought."""
        self._metrics.took(len(assigned))
        await super().on_partitions_assigned(assigned, generation_id)

    async def on_partitions_revoked(self, revoked: set[TP]) -> None:
        """Finish what is being written before the partitions go to somebody else."""
        self._metrics.gave_up()
        await super().on_partitions_revoked(revoked)
        for tp in revoked:
            self._buffers.pop(tp, None)
        await self._delivery.revoke([TopicPartition(*tp) for tp in revoked], STOP_TIMEOUT_S)

    # -- blocks --------------------------------------------------------------------------------

    async def getmany(self, timeout: float) -> AsyncIterator[tuple[TP, ConsumerMessage]]:
        """Fetch, and yield the Blocks that are ripe; returns after ``timeout`` s at the latest."""
        if not self.flow_active:
            await self.wait(self.can_resume_flow)
            return
        generation = self.app.consumer_generation_id
        await self._fill(timeout)
        for tp, block, turn in self._ripe():
            buffer = self._buffers.get(tp)
            current = self.flow_active and self.app.consumer_generation_id == generation
            if turn is not None and (buffer is None or not current):
                turn.end()
            if not current:
                return
            if buffer is None:
                continue
            if block.first < buffer.begin:
                self._delivery.recall(block)
                continue
            self._track(tp)
            yield tp, self._message(tp, block, self._delivery.offer(block, turn))

    async def _fill(self, timeout: float) -> None:
        """Wait until something is fetched, room appears, or a waiting Block becomes ripe."""
        wanted = self._wanted()
        if self._fetch is None:
            self._asked = wanted.keys()
            if wanted:
                self._fetch = asyncio.ensure_future(self._thread.fetch(wanted, FETCH_WAIT_S))
        elif more := {tp: n for tp, n in wanted.items() if tp not in self._asked}:
            # These were full when the fetch under way began: what is there for them is taken now.
            taken = await self._thread.fetch(more, 0.0)
            await self._take(taken)
            if taken:
                return
        waits: list[asyncio.Future[Any]] = [asyncio.ensure_future(self._wake.wait())]
        if self._fetch is not None:
            waits.append(self._fetch)
        await asyncio.wait(
            waits, timeout=min(timeout, self._until_ripe()), return_when=asyncio.FIRST_COMPLETED
        )
        waits[0].cancel()
        self._wake.clear()
        if self._fetch is not None and self._fetch.done():
            fetch, self._fetch = self._fetch, None
            await self._take(fetch.result())

    async def _take(self, taken: Mapping[TP, Fetched]) -> None:
        for tp, fetched in taken.items():
            await self._add(tp, fetched)

    async def _add(self, tp: TP, fetched: Fetched) -> None:
        buffer = self._buffers.get(tp)
        if buffer is None:
            return  # revoked while the fetch was under way
        try:
            buffer.add(fetched, self._now())
        except OutOfStep as error:
            log.info("%s; fetching again from there", error)
            await self._step_back(tp, buffer)

    async def _step_back(self, tp: TP, buffer: PartitionBuffer) -> None:
        earliest = (await self._thread.earliest_offsets(tp))[tp]
        if earliest > max(buffer.position, buffer.begin):
            log.error(
                "%s: offsets %d to %d are gone from the log before they were read: the topic's "
                "retention is too short for the backlog",
                buffer.tp,
                max(buffer.position, buffer.begin),
                earliest - 1,
            )
        if earliest > buffer.position:
            buffer.skip_to(earliest)
        await self._thread.seek_to(tp, buffer.position)

    def _wanted(self) -> dict[TP, int]:
        config = self._config
        held = sum(buffer.nbytes for buffer in self._buffers.values()) + self._delivery.nbytes
        wanted: dict[TP, int] = {}
        if held < config.memory_bytes:
            active = self._get_active_partitions()
            wants = {
                tp: buffer.wants(config.max_rows, config.max_bytes)
                for tp, buffer in self._buffers.items()
                if tp in active
            }
            wanted = {tp: n for tp, n in wants.items() if n}
        self._metrics.held_bytes = held
        self._metrics.paused = len(self._buffers) - len(wanted)
        return wanted

    def _ripe(self) -> Iterable[tuple[TP, Block, Turn | None]]:
        """Blocks to be offered now, those that have waited longest first."""
        config, now = self._config, self._now()
        size, most = (config.max_rows, config.max_bytes), config.max_delay_ms / 1000
        waiting = sorted(self._buffers.items(), key=lambda entry: entry[1].since or now)
        for tp, buffer in waiting:
            while self._delivery.room(buffer.tp) > 0 and self._buffers.get(tp) is buffer:
                turn = None
                if not buffer.ripe(*size, most, now):
                    if not buffer.ripe(*size, config.min_delay_ms / 1000, now):
                        break
                    turn = self._delivery.pace.take()
                    if turn is None:
                        break
                yield tp, buffer.cut(*size, now), turn

    def _until_ripe(self) -> float:
        """Seconds until a partition that has room becomes ripe; at most FETCH_WAIT_S."""
        config, now = self._config, self._now()
        least, most = config.min_delay_ms / 1000, config.max_delay_ms / 1000
        free_at = self._delivery.pace.free_at()
        waiting = [
            min(buffer.since + most, max(buffer.since + least, free_at)) - now
            for buffer in self._buffers.values()
            if buffer.since is not None and self._delivery.room(buffer.tp) > 0
        ]
        return min(max(0.0, min(waiting, default=FETCH_WAIT_S)), FETCH_WAIT_S)

    def _message(self, tp: TP, block: Block, job: Job) -> ConsumerMessage:
        produced = float(block.timestamps[0]) / 1000 if len(block) else 0.0
        return ConsumerMessage(
            topic=block.topic,
            partition=block.partition,
            offset=block.first,
            timestamp=produced,
            timestamp_type=CREATE_TIME,
            headers=(),
            key=None,
            value=job,
            checksum=None,
            serialized_key_size=0,
            serialized_value_size=0,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )

    def _track(self, tp: TP) -> None:
        end = self.highwater(tp)
        self.app.monitor.track_tp_end_offset(tp, end)
        self._metrics.ends[f"{tp.topic} {tp.partition}"] = end

    def _now(self) -> float:
        return float(self.app.headrace.clock.monotonic())

    # -- acknowledgement is Delivery's -----------------------------------------------------------

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Do nothing: Faust would commit blocks that an agent has seen, applied or not."""
        return False

    async def force_commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        """Do nothing, see ``commit``."""
        return False

    def verify_event_path(self, now: float, tp: TP) -> None:
        """Do nothing: Faust's livelock detector looks at commits that it does not make here."""

    # -- end -----------------------------------------------------------------------------------

    async def on_stop(self) -> None:
        """Finish the blocks that are being written, leave the rest to a successor."""
        self.stop_flow()
        await self._delivery.stop(STOP_TIMEOUT_S)
        await super().on_stop()
        await self.app.headrace.close()
        if self._fetch is not None:
            self._fetch.cancel()
            await asyncio.wait([self._fetch])
            self._fetch = None

    def _on_fatal(self, error: Exception) -> None:
        log.error("stopping: %s", error, exc_info=error)
        self.app.headrace.failed = error
        self._crashing = asyncio.ensure_future(self.crash(error))


def _cuts(start: Start) -> list[Cut]:
    cuts = [Cut(end) for end in start.ends] + [Cut(last, whole=True) for last in start.wholes]
    return sorted(cuts, key=lambda cut: cut.last)
