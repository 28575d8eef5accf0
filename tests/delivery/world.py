"""A model of the world around the real delivery code: coordinator, network, stores.

Everything a worker asks of a coordinator or a store is a ``Request`` in a network that the test
holds: it decides which requests arrive, in what order, and whose answers are lost. The stores are
as the real ones were measured to be: a table takes an insert before its view does, and each drops
by token what it has; keys change chunk by chunk, with a fence.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl

from headrace.block import Block, TopicPartition
from headrace.clock import ManualClock
from headrace.delivery.delivery import Delivery, Parts
from headrace.delivery.intent import Position
from headrace.errors import Behind, Fenced, Transient
from headrace.frame import Frame
from headrace.metrics import Metrics
from headrace.sink import BlockRange, Mark
from headrace.topology.model import Topology
from headrace.transport.buffer import Columns, Cut, Fetched, PartitionBuffer
from headrace.writes import Kind, RedisOps, Rows, Writes

TP = TopicPartition("t", 0)
#: The tables, and which offsets have a row there, if they are no repeats.
TABLES: dict[str, Callable[[int], bool]] = {"out": lambda _: True, "some": lambda o: o % 3 == 0}
WINDOW = 4
LEASE_S = 3.0
SESSION_S = 6.0


def id_of(offset: int) -> int:
    """The producers' id: every fifth record is a repeat, and some came too late to be dropped."""
    if offset % 5 == 4:
        return offset - 2
    return offset - WINDOW - 1 if offset % 10 == 8 else offset


def due(offset: int) -> bool:
    """Whether a record is to be applied: worked out from ``id_of`` by hand."""
    return offset % 5 != 4


@dataclass
class Defences:
    """Which defences work; a directed test switches one off to see what it is for."""

    token: bool = True
    fence: bool = True
    lease: bool = True
    marks: bool = True
    intent: bool = True
    memory: bool = True


@dataclass
class Request:
    """Something sent and not yet answered. ``act`` is what it does where it arrives."""

    sender: Worker
    what: str
    act: Callable[..., Any]
    answer: asyncio.Future[Any]
    arrived: bool = False

    def arrive(self, **how: Any) -> None:
        """Do it there; the sender does not know yet."""
        self.arrived = True
        try:
            self._result: Any = (self.act(**how), None)
        except Exception as error:
            self._result = (None, error)

    def reply(self) -> None:
        """Let the sender know."""
        result, error = self._result
        if self.answer.done():
            return
        if error is None:
            self.answer.set_result(result)
        else:
            self.answer.set_exception(error)

    def lose(self) -> None:
        """The sender gives up waiting, whether it arrived or not."""
        if not self.answer.done():
            self.answer.set_exception(Transient(f"{self.what}: no answer"))


class Table:
    """A table and its view; both hold offsets. ``window``: how many tokens each remembers."""

    def __init__(self, defences: Defences) -> None:
        self._defences = defences
        self.window = 10_000
        self.rows: list[int] = []
        self.view: list[int] = []
        self._tokens: tuple[list[str], list[str]] = ([], [])

    def insert(self, token: str, offsets: Sequence[int], half: bool = False) -> int:
        """``half``: the server dies between table and view."""
        targets = (self.rows, self.view)
        for target, tokens in zip(targets, self._tokens, strict=True):
            if token not in tokens or not self._defences.token:
                target.extend(offsets)
                tokens.append(token)
                del tokens[: -self.window]
            if half:
                raise Transient("the server died")
        return max(offsets)

    def held(self) -> int:
        return max(self.rows, default=-1)


class Keys:
    """Counters by offset, applied in two chunks a block, and their fence."""

    def __init__(self, defences: Defences) -> None:
        self._defences = defences
        self.counts: dict[int, int] = {}
        self.done, self.begun, self.next = -1, -1, 0

    def chunk(self, block: BlockRange, number: int, offsets: Sequence[int], before: int) -> None:
        """As apply.lua."""
        if not self.admits(block, number, before):
            return
        for offset in offsets:
            if offset % 2 == number:
                self.counts[offset] = self.counts.get(offset, 0) + 1
        self.advance(block, number)

    def admits(self, block: BlockRange, number: int, before: int) -> bool:
        """What the fence says: whether a chunk is to be applied."""
        if not self._defences.fence:
            return True
        if block.last <= self.done:
            return False
        if self.done < before:
            raise Behind(f"done={self.done} before={before}")
        if self.done >= block.first:
            raise AssertionError(f"{block} straddles {self.done}")
        expected = self.next if self.begun == block.last else 0
        if self.begun not in (-1, block.last):
            raise Behind(f"begun={self.begun}")
        if number > expected:
            raise Transient("out of order")
        return number == expected

    def advance(self, block: BlockRange, number: int) -> None:
        """Move the fence with the chunk that was applied."""
        if number == 1:
            self.done, self.begun, self.next = max(block.last, self.done), -1, 0
        else:
            self.begun, self.next = block.last, 1

    def mark(self) -> Mark:
        return Mark(self.done, None if self.begun == -1 else self.begun)


class Coordinator:
    """The group: who owns the partition, and what is committed."""

    def __init__(self) -> None:
        self.generation = 0
        self.committed: Position | None = None

    def commit(self, generation: int, position: Position) -> None:
        if generation != self.generation:
            raise Fenced(f"generation {generation} has passed")
        self.committed = Position.parse(position.offset, position.metadata())


@dataclass
class World:
    """All there is. ``log`` is how many records the partition has."""

    defences: Defences = field(default_factory=Defences)
    log: int = 0
    requests: list[Request] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.clock = ManualClock()
        self.tables = {name: Table(self.defences) for name in TABLES}
        self.keys = self.new_keys()
        self.coordinator = Coordinator()
        self.workers: list[Worker] = []
        self.owner: Worker | None = None

    def new_keys(self) -> Keys:
        return Keys(self.defences)

    def new_worker(self) -> Worker:
        return Worker(self, self.coordinator.generation)

    def give_up(self, request: Request) -> None:
        """The sender waits no longer, but the request may still arrive, after later ones."""
        request.lose()
        self.settle()

    def settle(self) -> None:
        """Let every worker do what it can without another answer."""

        async def turns() -> None:
            for _ in range(40):
                await asyncio.sleep(0)

        self.loop.run_until_complete(turns())

    def join(self) -> Worker:
        """A new worker gets the partition; its former owner is not told."""
        self.coordinator.generation += 1
        worker = self.new_worker()
        self.workers.append(worker)
        self.owner = worker
        worker.begin()
        self.settle()
        return worker

    def step(self, request: Request, how: str = "answer") -> None:
        """Let one request go on: answer, lose (arrived, no answer), refuse or half."""
        if how == "refuse" and not request.arrived:
            request.lose()
        else:
            if not request.arrived:
                request.arrive(**({"half": True} if how == "half" else {}))
            if request.sender.paused:
                return
            if how == "lose":
                request.lose()
            else:
                request.reply()
        self.requests.remove(request)
        self.settle()

    def drain(self) -> None:
        """Everything heals; a worker of the newest generation finishes the log.

        Then another: a tail lost while nothing came in is found on the next assignment.
        """
        self._finish()
        self.join()
        self._finish()

    def _finish(self) -> None:
        for _ in range(10_000):
            owner = self.owner
            if owner is None or owner.dead or owner.paused or owner.stopped:
                owner = self.join()
            mine = [r for r in self.requests if r.sender is owner]
            if mine:
                self.step(mine[0])
                continue
            if owner.finished():
                return
            owner.feed(5)
            self.settle()
        raise AssertionError("never drained")

    def close(self) -> None:
        for worker in self.workers:
            worker.crash()
        self.settle()
        for task in asyncio.all_tasks(self.loop):
            task.cancel()
        self.settle()
        self.loop.close()


class Inline(Executor):
    """Runs at once: the model has no other time than its own."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


TOPOLOGY = Topology.model_validate(
    {
        "version": 1,
        "name": "model",
        "topics": {"t": {"schema": "any", "key": "k", "dedupe": {"key": "id", "window": WINDOW}}},
        "agents": {"a": {"function": "a:a", "reads": ["t"], "writes": {"tables": list(TABLES)}}},
        "clickhouse": {"tables": {t: {"topic": "t", "order_by": ["_offset"]} for t in TABLES}},
    }
)
AT_LEAST_ONCE = TOPOLOGY.model_copy(
    update={
        "delivery": TOPOLOGY.delivery.model_copy(update={"guarantee": "at_least_once"}),
    }
)


def decode(block: Block) -> Frame:
    ids = [str(id_of(offset)) for offset in block.offsets.tolist()]
    columns = {"id": ids, "_offset": block.offsets}
    return Frame(block, pl.DataFrame(columns, schema_overrides={"id": pl.String}))


def agent(frame: Frame) -> Writes:
    """A row and an update by record."""
    return Writes(
        tuple(
            Rows(name, frame.df.select("_offset").filter([takes(o) for o in frame.df["_offset"]]))
            for name, takes in TABLES.items()
        ),
        (
            RedisOps(
                Kind.ADD,
                "counts",
                frame.df.select(
                    id=pl.lit("x"),
                    field=pl.col("_offset").cast(pl.String),
                    delta=pl.lit(1, pl.Int64),
                ),
            ),
        ),
    )


class Worker:
    """The real Delivery and the real buffer, around requests to the world."""

    def __init__(self, world: World, generation: int) -> None:
        self.world = world
        self.generation = generation
        self.paused = self.dead = self.stopped = False
        self.buffer: PartitionBuffer | None = None
        self.failed: Exception | None = None
        self._tasks: list[asyncio.Task[Any]] = []
        lease = LEASE_S if world.defences.lease else 1e12
        self.delivery: Delivery = world.loop.run_until_complete(self._deliver(lease))

    async def _deliver(self, lease: float) -> Delivery:
        return Delivery(self.parts(lease), self)

    def parts(self, lease: float) -> Parts:
        return Parts(
            topology=TOPOLOGY if self.world.defences.intent else AT_LEAST_ONCE,
            decoders={"t": decode},
            id_decoders={"t": decode},
            agents={"a": agent},
            sinks=[*(TableClient(self, name) for name in TABLES), KeysClient(self)],
            dead_letters=None,  # type: ignore[arg-type]  # no record is bad here
            executor=Inline(),
            clock=self.world.clock,
            metrics=Metrics(),
            lease_s=lease,
            on_room=lambda: None,
            on_fatal=self._fatal,
            on_behind=lambda tp: self.begin(),
        )

    def _fatal(self, error: Exception) -> None:
        self.failed = error

    def begin(self) -> None:
        """Ask where the partition starts, and read on from there."""

        async def start() -> None:
            self.buffer = None
            found = (await self.delivery.assign([TP]))[TP]
            cuts = [Cut(end) for end in found.ends]
            cuts += [Cut(last, whole=True) for last in found.wholes]
            cuts.sort(key=lambda cut: cut.last)
            begin = found.position or 0
            since = max(self.delivery.begin(TP, begin), 0)
            if not self.world.defences.memory:
                since = begin
            self.buffer = PartitionBuffer(TP, since, cuts, begin)

        self._tasks.append(self.world.loop.create_task(start()))

    def feed(self, rows: int) -> None:
        """Fetch up to the log's end and offer one block of at most ``rows`` records."""
        buffer = self.buffer
        if buffer is None or self.delivery.room(TP) <= 0:
            return
        position, end = buffer.position, self.world.log
        if end > position:
            offsets = np.arange(position, end)
            none: list[bytes | None] = [None] * len(offsets)
            columns = Columns(none, none, offsets, np.zeros(len(offsets), np.int64), {})
            buffer.add(Fetched(position, end, columns), 0.0)
        if buffer.position > buffer.first and buffer.ripe(rows, 1 << 20, 0.0, 1.0):
            block = buffer.cut(rows, 1 << 20, 1.0)
            self.offer(block, again=block.first < buffer.begin)

    def finished(self) -> bool:
        """Whether the log is applied to its end and committed."""
        at_end = self.buffer is not None and self.buffer.first == self.world.log
        return at_end and self.delivery.idle()

    def offer(self, block: Block, again: bool) -> None:
        async def run() -> None:
            if again:
                self.delivery.recall(block)
            else:
                await self.delivery.offer(block).run("a")

        self._tasks.append(self.world.loop.create_task(run()))

    def leave(self) -> None:
        """Told of the rebalance: gives the partition back, without time to finish."""

        async def stop() -> None:
            await self.delivery.stop(0.0)

        self.stopped = True
        self._tasks.append(self.world.loop.create_task(stop()))

    def crash(self) -> None:
        """kill -9: what was sent is on its way, everything else is gone."""
        self.dead = True
        for task in self._tasks:
            task.cancel()
        self.leave()

    async def ask(self, what: str, act: Callable[..., Any]) -> Any:
        request = Request(self, what, act, self.world.loop.create_future())
        self.world.requests.append(request)
        return await request.answer

    # -- delivery.log.Offsets ------------------------------------------------------------------

    async def committed(
        self, tps: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Position | None]:
        return {TP: await self.ask("committed", lambda: self.world.coordinator.committed)}

    async def commit(self, positions: Mapping[TopicPartition, Position]) -> None:
        position = positions[TP]
        commit = self.world.coordinator.commit
        await self.ask(f"commit {position}", lambda: commit(self.generation, position))


class TableClient:
    """As ``sinks.clickhouse.writer.TableSink``."""

    store = "clickhouse"

    def __init__(self, worker: Worker, table: str) -> None:
        self.name = f"clickhouse.{table}"
        self._table = table
        self._worker = worker

    def takes(self, topic: str) -> bool:
        return True

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        (mine,) = (rows for rows in writes.rows if rows.table == self._table)
        offsets = mine.frame["_offset"].to_list()
        if not offsets:
            return None
        table = self._worker.world.tables[self._table]

        def act(half: bool = False) -> int:
            return table.insert(str(block), offsets, half)

        return int(await self._worker.ask(f"insert {block}", act))

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        world = self._worker.world
        held = await self._worker.ask("table mark", world.tables[self._table].held)
        if not world.defences.marks and world.coordinator.committed is not None:
            held = max(held, world.coordinator.committed.offset - 1)
        return {TP: Mark(held)}


class KeysClient:
    """As ``sinks.redis.writer.RedisSink``."""

    name = "redis"
    store = "redis"

    def __init__(self, worker: Worker) -> None:
        self._worker = worker
        self._done = -1

    def takes(self, topic: str) -> bool:
        return True

    async def start(self) -> None: ...

    async def close(self) -> None: ...

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        before = min(self._done, block.first - 1)
        for number in (0, 1):
            act = self.chunk(block, number, writes, before)
            await self._worker.ask(f"chunk {number} of {block}", act)
        self._done = max(self._done, block.last)
        return self._done

    def chunk(
        self, block: BlockRange, number: int, writes: Writes, before: int
    ) -> Callable[[], None]:
        """What a chunk does where it arrives."""
        offsets = [int(o) for o in writes.redis[0].frame["field"]] if writes.redis else []
        keys = self._worker.world.keys
        return lambda: keys.chunk(block, number, offsets, before)

    async def watermarks(self, tps: Collection[TopicPartition]) -> dict[TopicPartition, Mark]:
        world = self._worker.world
        mark: Mark = await self._worker.ask("fence", world.keys.mark)
        if not world.defences.marks and world.coordinator.committed is not None:
            mark = Mark(max(mark.held, world.coordinator.committed.offset - 1))
        self._done = mark.held
        return {TP: mark}


def snapshot(store: Table | Keys) -> dict[str, Any]:
    """All of a store's state, to be put back later: what a failover or a restore does."""
    return {k: deepcopy(v) for k, v in vars(store).items() if k != "_defences"}


def restore(store: Table | Keys, state: dict[str, Any]) -> None:
    """Put a store back to where it was."""
    vars(store).update(deepcopy(state))
