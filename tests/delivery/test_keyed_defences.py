"""What keyed state adds to the protocol is needed: without it, states or events are wrong.

As in ``test_defences``, every scenario runs twice: with all defences, and with one switched off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.delivery.keyed_world import KeyedDefences, KeyedWorld, expected
from tests.delivery.world import Request, Worker, restore, snapshot

Scenario = Callable[[KeyedWorld], None]


def until(world: KeyedWorld, worker: Worker, what: str, rows: int = 5) -> Request:
    """Answer a worker until it asks for this; the request is still on its way."""
    for _ in range(200):
        mine = [r for r in world.requests if r.sender is worker]
        found = [r for r in mine if r.what.startswith(what)]
        if found:
            return found[0]
        if mine:
            world.step(mine[0])
        else:
            worker.feed(rows)
            world.settle()
    raise AssertionError(f"never asked for {what}")


def crash(world: KeyedWorld, worker: Worker) -> None:
    worker.crash()
    world.settle()


def a_worker_dies_between_two_chunks(world: KeyedWorld) -> None:
    worker = world.join()
    until(world, worker, "chunk 1")
    crash(world, worker)


def a_worker_dies_when_its_last_block_is_applied(world: KeyedWorld) -> None:
    worker = world.join()
    until(world, worker, "outbox")
    world.step(until(world, worker, "chunk 1", rows=10))
    crash(world, worker)


def a_zombie_read_what_a_store_that_lost_its_tail_held(world: KeyedWorld) -> None:
    world.log = 5
    world.drain()
    before = snapshot(world.keys)
    world.log = 10
    world.drain()
    zombie = world.owner
    assert zombie is not None
    world.log = 15
    request = until(world, zombie, "states")
    restore(world.keys, before)
    world.step(request)
    if not [r for r in world.requests if r.sender is zombie and r.what.startswith("commit")]:
        return  # it was told, and begins again
    until(world, zombie, "chunk 0")
    successor = world.join()
    while world.keys.done < 9:
        world.step(until(world, successor, ""))
    while mine := [r for r in world.requests if r.sender is zombie]:
        world.step(mine[0])


def a_late_removal_meets_the_next_blocks_events(world: KeyedWorld) -> None:
    world.log = 10
    zombie = world.join()
    removal = until(world, zombie, "sent")
    crash(world, zombie)
    successor = world.join()
    while world.keys.done < 9 or world.keys.begun != -1:
        request = next(r for r in [until(world, successor, "")] if r is not removal)
        world.step(request)
    removal.arrive()


@pytest.mark.parametrize(
    ("defence", "scenario"),
    [
        ("undo", a_worker_dies_between_two_chunks),
        ("leftovers", a_worker_dies_when_its_last_block_is_applied),
        ("read_with_fence", a_zombie_read_what_a_store_that_lost_its_tail_held),
        ("contents", a_late_removal_meets_the_next_blocks_events),
    ],
)
def test_without_it_the_answer_is_wrong(defence: str, scenario: Scenario) -> None:
    def run(defences: KeyedDefences) -> tuple[Any, Any]:
        world = KeyedWorld(defences)
        world.log = 10
        try:
            scenario(world)
            world.drain()
            return (world.keys.states, world.seen()), expected(world.log)
        finally:
            world.close()

    found, right = run(KeyedDefences())
    assert found == right
    found, right = run(KeyedDefences(**{defence: False}))
    assert found != right
