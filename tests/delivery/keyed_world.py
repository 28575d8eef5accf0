"""The same world with an agent that keeps state by key and emits events beside the other one.

The key store is as apply.lua, states.lua and sent.lua make Redis: states change chunk by chunk
under the fence, with an undo of the first chunk, events are put in an outbox by the last one.
Topics that are emitted to may get a part of what is sent, and late.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from headrace.agent import StatefulAgent, States
from headrace.block import Block, TopicPartition
from headrace.delivery.delivery import Parts
from headrace.delivery.keyed import Keyed
from headrace.errors import Behind
from headrace.frame import Frame
from headrace.keyed.store import Pending
from headrace.sink import BlockRange
from headrace.topology.model import Topology
from headrace.writes import Outgoing, State, Writes
from tests.delivery import world as plain
from tests.delivery.world import Defences, Keys, KeysClient, Worker, World, due

EVERY = 2
KEYS = 3
TOPOLOGY = Topology.model_validate(
    {
        **plain.TOPOLOGY.model_dump(by_alias=True, exclude_defaults=True),
        "agents": {
            "a": {"function": "a:a", "reads": ["t"], "writes": {"tables": list(plain.TABLES)}},
            "b": {
                "function": "b:b",
                "reads": ["t"],
                "state": {"keyspace": "s", "key": "k"},
                "writes": {"topics": ["told"]},
            },
        },
    }
)


@dataclass
class KeyedDefences(Defences):
    """What keyed state adds to them."""

    undo: bool = True
    read_with_fence: bool = True
    leftovers: bool = True
    contents: bool = True


def key_of(offset: int) -> str:
    """Some keys have few records, so blocks share keys and blocks have keys of their own."""
    return f"k{offset % 7 % KEYS}"


def expected(behind: int) -> tuple[dict[str, bytes], dict[str, list[bytes]]]:
    """States and emitted events by key after the records before ``behind``: counted plainly."""
    states: dict[str, tuple[int, int]] = {}
    told: dict[str, list[bytes]] = {}
    for offset in filter(due, range(behind)):
        key = key_of(offset)
        count, total = states.get(key, (0, 0))
        count, total = count + 1, total + offset
        states[key] = (count, total)
        if count % EVERY == 0:
            told.setdefault(key, []).append(b"%s:%d=%d" % (key.encode(), count, total))
    return {key: b"%d,%d" % held for key, held in states.items()}, told


def agent(frame: Frame, states: States) -> Writes:
    """Counts and adds up a key's offsets; an event at every second record."""
    held = {key: tuple(map(int, value.split(b","))) for key, value in states.items()}
    events = []
    for offset in frame.df["_offset"].to_list():
        key = key_of(offset)
        count, total = held.get(key, (0, 0))
        held[key] = count, total = count + 1, total + offset
        if count % EVERY == 0:
            event = b"%s:%d=%d" % (key.encode(), count, total)
            events.append(Outgoing("told", key.encode(), event))
    values = {key: b"%d,%d" % both for key, both in held.items()}
    return Writes(state=(State("s", values),), outgoing=events)


def decode(block: Block) -> Frame:
    """With the key."""
    frame = plain.decode(block)
    keys = pl.Series("k", [key_of(o) for o in block.offsets.tolist()], pl.String)
    return replace(frame, df=frame.df.with_columns(keys))


class KeyedKeys(Keys):
    """Also states, what they were before the first chunk, and the outbox."""

    def __init__(self, defences: KeyedDefences) -> None:
        super().__init__(defences)
        self.states: dict[str, bytes] = {}
        self.undo: dict[str, bytes | None] = {}
        self.outbox: list[Outgoing] = []

    def keyed_chunk(self, block: BlockRange, number: int, writes: Writes, before: int) -> None:
        """As apply.lua: a key is in one chunk, events are in the last."""
        if not self.admits(block, number, before):
            return
        self.undo = {} if number == 0 else self.undo
        values = {k: v for s in writes.state for k, v in s.values.items()}
        for key in [key for key in values if int(key[1:]) % 2 == number]:
            if number == 0:
                self.undo[key] = self.states.get(key)
            self.states[key] = values[key] or b""
        if number == 1:
            self.undo = {}
            self.outbox += writes.outgoing
        self.advance(block, number)

    def read(self, block: BlockRange, before: int, keys: Sequence[str]) -> dict[str, bytes] | None:
        """As states.lua."""
        assert isinstance(self._defences, KeyedDefences)
        if self._defences.read_with_fence:
            if block.last <= self.done:
                return None
            if self.done < before:
                raise Behind(f"done={self.done} before={before}")
        undo = self.undo if self.begun == block.last and self._defences.undo else {}
        held = {key: undo.get(key, self.states.get(key)) for key in keys}
        return {key: value for key, value in held.items() if value is not None}

    def sent(self, events: Sequence[Outgoing]) -> None:
        """As sent.lua; without ``contents`` by their number."""
        assert isinstance(self._defences, KeyedDefences)
        if not self._defences.contents:
            del self.outbox[: len(events)]
        while self.outbox and self.outbox[0] in events:
            del self.outbox[0]


@dataclass
class KeyedWorld(World):
    """``told`` is the topic that is emitted to, with what was sent twice."""

    defences: Defences = field(default_factory=KeyedDefences)
    told: list[Outgoing] = field(default_factory=list)
    keys: KeyedKeys = field(init=False)

    def new_keys(self) -> KeyedKeys:
        assert isinstance(self.defences, KeyedDefences)
        return KeyedKeys(self.defences)

    def new_worker(self) -> Worker:
        return KeyedWorker(self, self.coordinator.generation)

    def seen(self) -> dict[str, list[bytes]]:
        """By key, what the readers of the topic see: repeats dropped."""
        seen: dict[str, list[bytes]] = {}
        for event in dict.fromkeys(self.told):
            seen.setdefault(event.key.decode(), []).append(event.value)
        return seen


class KeyedWorker(Worker):
    """Its delivery has the stateful agent."""

    world: KeyedWorld

    def parts(self, lease: float) -> Parts:
        parts = super().parts(lease)
        client = KeyedClient(self)
        stateful = {"b": StatefulAgent(agent, "s", "k")}
        return replace(
            parts,
            topology=TOPOLOGY,
            decoders={"t": decode},
            sinks=[*parts.sinks[:-1], client],
            keyed=Keyed(client, Sender(self), stateful),
        )


class KeyedClient(KeysClient):
    """As ``sinks.redis.states.RedisStates``, too."""

    _worker: KeyedWorker
    _applied = False

    async def apply(self, block: BlockRange, writes: Writes) -> int | None:
        self._applied = True
        return await super().apply(block, writes)

    def chunk(
        self, block: BlockRange, number: int, writes: Writes, before: int
    ) -> Callable[[], None]:
        keys = self._worker.world.keys
        offsets = [int(o) for o in writes.redis[0].frame["field"]] if writes.redis else []

        def act() -> None:
            if keys.admits(block, number, before):
                for offset in offsets:
                    if offset % 2 == number:
                        keys.counts[offset] = keys.counts.get(offset, 0) + 1
                keys.keyed_chunk(block, number, writes, before)

        return act

    async def read(
        self, block: BlockRange, before: int, wanted: Mapping[str, Sequence[str]]
    ) -> dict[str, dict[str, bytes]] | None:
        keys, before = self._worker.world.keys, min(before, block.first - 1)
        found = await self._worker.ask(
            f"states before {block}", lambda: keys.read(block, before, wanted["s"])
        )
        return None if found is None else {"s": found}

    async def outbox(self, tp: TopicPartition) -> list[Pending]:
        keys, defences = self._worker.world.keys, self._worker.world.defences
        assert isinstance(defences, KeyedDefences)
        if not self._applied and not defences.leftovers:
            return []
        events = await self._worker.ask("outbox", lambda: list(keys.outbox))
        return [Pending(event.value, event) for event in events]

    async def sent(self, tp: TopicPartition, pending: Sequence[Pending]) -> None:
        keys, events = self._worker.world.keys, [one.event for one in pending]
        await self._worker.ask("sent", lambda: keys.sent(events))

    async def aside(self, block: BlockRange) -> list[int]:
        return []

    async def due(
        self, tp: TopicPartition, keyspace: str, now_ms: int, most: int
    ) -> list[tuple[str, int]]:
        return []


class Sender:
    """The broker of the topic that is emitted to: it may store the first ones, and no more."""

    def __init__(self, worker: KeyedWorker) -> None:
        self._worker = worker

    async def send(self, events: Sequence[Outgoing]) -> None:
        world = self._worker.world
        half = len(events) // 2
        await self._worker.ask("emit some", lambda: world.told.extend(events[:half]))
        await self._worker.ask("emit the rest", lambda: world.told.extend(events[half:]))

    async def close(self) -> None: ...
