"""When timers are sent, and sent again: on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from headrace import topology as topologies
from headrace.block import TopicPartition
from headrace.clock import ManualClock
from headrace.delivery.timers import AGAIN_S, Timers
from headrace.errors import Transient
from headrace.frame import Frame
from headrace.keyed.encode import encoders
from headrace.metrics import Metrics
from headrace.schema import Codec
from headrace.schemas import registry_of
from headrace.testing import Project
from headrace.writes import Outgoing
from tests.keyed import project

TP = TopicPartition("bank.entries", 1)
NOW_MS = 1_767_225_600_000


class Due:
    """What a store says is due; the rest of a store is not asked."""

    def __init__(self) -> None:
        self.held: dict[str, int] = {}

    async def due(
        self, tp: TopicPartition, keyspace: str, now_ms: int, most: int
    ) -> list[tuple[str, int]]:
        assert keyspace == "account"
        found = sorted((at, key) for key, at in self.held.items() if at <= now_ms)
        return [(key, at) for at, key in found[:most]] if tp == TP else []


class Sent:
    """Keeps what is sent; fails when told to."""

    def __init__(self) -> None:
        self.events: list[Outgoing] = []
        self.away = False

    async def send(self, events: Sequence[Outgoing]) -> None:
        if self.away:
            raise Transient("away")
        self.events += events

    async def close(self) -> None: ...


class World:
    def __init__(self, root: Path) -> None:
        project.write(root)
        declared = topologies.load(root)
        self.registry = registry_of(root, declared)
        self.store, self.emitter, self.clock = Due(), Sent(), ManualClock(NOW_MS)
        encode = encoders(declared, self.registry)
        self.timers = Timers(
            declared,
            self.store,
            self.emitter,
            encode,
            self.clock,
            Metrics(),  # type: ignore[arg-type]
        )
        self.project = Project(root)

    async def poll(
        self, seconds: float = 0.0, owned: Sequence[TopicPartition] = (TP,)
    ) -> list[str]:
        """Move the clock and poll; returns keys of what was sent."""
        self.clock.advance(seconds)
        self.emitter.events.clear()
        await self.timers.poll(owned)
        return [event.key.decode() for event in self.emitter.events]

    def decoded(self) -> Frame:
        events = self.emitter.events
        block = self.project.block(TP.topic, [None] * len(events), TP.partition)
        values = [event.value for event in events]
        return Codec(self.registry, "entries").decode(replace(block, values=values))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_key_is_told_when_it_is_due_with_an_id_of_its_own(world: World):
    world.store.held = {"ann": NOW_MS + 1_500, "bob": NOW_MS - 5}
    assert await world.poll() == ["bob"]
    assert await world.poll(1.5) == ["ann"]
    (event,) = world.emitter.events
    assert (event.topic, event.partition) == TP
    (row,) = world.decoded().df.to_dicts()
    assert row["event_id"] == f"timer:balance:ann:{NOW_MS + 1_500}"
    assert (row["type"], row["account"]) == ("hold_ends", "ann")
    assert round(row["occurred_at"].timestamp() * 1000) == NOW_MS + 1_500


async def test_it_is_told_again_ever_less_often_until_the_state_changes(world: World):
    world.store.held = {"ann": NOW_MS}
    told = [bool(await world.poll(1.0)) for _ in range(int(AGAIN_S * 8))]
    assert [second for second, was in enumerate(told) if was] == [0, 10, 30, 70]
    world.store.held = {"ann": NOW_MS + 1}
    assert await world.poll() == ["ann"]
    world.store.held = {}
    assert await world.poll(AGAIN_S) == []


async def test_what_could_not_be_sent_is_sent_with_the_next_poll(world: World):
    world.store.held, world.emitter.away = {"ann": NOW_MS}, True
    with pytest.raises(Transient):
        await world.poll()
    world.emitter.away = False
    assert await world.poll() == ["ann"]


async def test_a_new_owner_tells_again_and_nobody_tells_for_others(world: World):
    world.store.held = {"ann": NOW_MS}
    assert await world.poll() == ["ann"]
    assert await world.poll(owned=()) == []
    assert await world.poll() == ["ann"]
