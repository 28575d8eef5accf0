"""Each defence of the protocol is needed: without it, records are lost or counted twice.

Every scenario runs twice: with all defences nothing is wrong, with one switched off exactly the
fault appears that it exists for.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.delivery.world import (
    SESSION_S,
    TABLES,
    Defences,
    Request,
    World,
    due,
    restore,
    snapshot,
)

Scenario = Callable[[World], None]


def until(world: World, what: str) -> Request:
    """Answer everything up to the next request whose text begins with ``what``."""
    while not world.requests[0].what.startswith(what):
        world.step(world.requests[0])
    return world.requests[0]


def an_insert_is_applied_and_its_answer_lost(world: World) -> None:
    world.join()
    _deliver_one_block(world, rows=5, stop_at="insert")
    world.step(world.requests[0], "lose")


def a_chunk_is_applied_and_its_answer_lost(world: World) -> None:
    world.join()
    _deliver_one_block(world, rows=5, stop_at="chunk 0")
    (chunk,) = (r for r in world.requests if r.what.startswith("chunk 0"))
    world.step(chunk, "lose")


def a_worker_dies_after_an_insert_and_the_next_cuts_otherwise(world: World) -> None:
    world.join()
    _deliver_one_block(world, rows=7, stop_at="insert")
    world.step(world.requests[0])
    world.workers[0].crash()
    world.settle()


def a_zombie_wakes_when_its_token_is_forgotten(world: World) -> None:
    for table in world.tables.values():
        table.window = 2
    zombie = world.join()
    _begin(world)
    zombie.feed(5)
    world.settle()
    until(world, "commit ").arrive()  # its answer finds the worker stopped
    zombie.paused = True
    world.clock.advance(SESSION_S + 1)
    world.log += 60
    world.drain()
    zombie.paused = False
    while mine := [r for r in world.requests if r.sender is zombie]:
        world.step(mine[0])


def a_table_is_restored_from_an_older_backup(world: World) -> None:
    world.drain()
    table = world.tables["out"]
    before = snapshot(table)
    world.log += 10
    world.drain()
    for worker in world.workers:
        worker.leave()
    world.settle()
    restore(table, before)


def a_worker_dies_between_a_record_and_its_repeat(world: World) -> None:
    world.log = 4
    world.join()
    world.drain()
    world.workers[-1].crash()
    world.log = 5  # the fifth is the third again


def _begin(world: World) -> None:
    assert world.owner is not None
    while world.owner.buffer is None:
        world.step(world.requests[0])


def _deliver_one_block(world: World, rows: int, stop_at: str) -> None:
    assert world.owner is not None
    _begin(world)
    world.owner.feed(rows)
    world.settle()
    if not any(r.what.startswith(stop_at) for r in world.requests):
        until(world, stop_at)


def wrong(world: World) -> dict[str, list[int]]:
    """Offsets that are missing or there more than once, by store."""
    found = {}
    for name, takes in TABLES.items():
        expected = [o for o in range(world.log) if takes(o) and due(o)]
        for part in ("rows", "view"):
            held = getattr(world.tables[name], part)
            found[f"{name}.{part}"] = [
                o for o in range(world.log) if held.count(o) != (o in expected)
            ]
    found["keys"] = [o for o in range(world.log) if world.keys.counts.get(o, 0) != due(o)]
    return {where: offsets for where, offsets in found.items() if offsets}


@pytest.mark.parametrize(
    ("defence", "scenario", "expected"),
    [
        (
            "token",
            an_insert_is_applied_and_its_answer_lost,
            {"out.rows": [0, 1, 2, 3], "out.view": [0, 1, 2, 3]},
        ),
        ("fence", a_chunk_is_applied_and_its_answer_lost, {"keys": [0, 2]}),
        (
            "intent",
            a_worker_dies_after_an_insert_and_the_next_cuts_otherwise,
            {"out.rows": [0, 1, 2, 3, 5, 6], "out.view": [0, 1, 2, 3, 5, 6]},
        ),
        (
            "lease",
            a_zombie_wakes_when_its_token_is_forgotten,
            {
                "out.rows": [0, 1, 2, 3],
                "out.view": [0, 1, 2, 3],
                "some.rows": [0, 3],
                "some.view": [0, 3],
            },
        ),
        (
            "marks",
            a_table_is_restored_from_an_older_backup,
            {name: [o for o in range(10, 20) if due(o)] for name in ("out.rows", "out.view")},
        ),
        (
            "memory",
            a_worker_dies_between_a_record_and_its_repeat,
            {"out.rows": [4], "out.view": [4], "keys": [4]},
        ),
    ],
)
def test_without_it_the_answer_is_wrong(
    defence: str, scenario: Scenario, expected: dict[str, list[int]]
) -> None:
    def run(defences: Defences) -> dict[str, list[int]]:
        world = World(defences)
        world.log = 10
        try:
            scenario(world)
            world.drain()
            return wrong(world)
        finally:
            world.close()

    assert run(Defences()) == {}
    assert run(Defences(**{defence: False})) == expected
