"""Many callers, one question."""

from __future__ import annotations

import asyncio

import pytest

from headrace.clock import ManualClock
from headrace.errors import Transient
from headrace.serve.answers import answer
from headrace.serve.cache import FRESH_S, MAX_ENTRIES, UNMOVED_S, Cache


class Store:
    """A view that moves when it is told to."""

    def __init__(self):
        self.asked = 0
        self.offset = 1
        self.error = None

    async def version(self):
        return {"t": [self.offset]}

    async def ask(self):
        self.asked += 1
        position = {"t": [self.offset]}
        await asyncio.sleep(0)
        if self.error:
            raise self.error
        return answer({"n": self.asked}, position)


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def clock():
    return ManualClock()


async def test_500_viewers_ask_once(store, clock):
    cache = Cache(clock)
    got = await asyncio.gather(*(cache.get("q", store.ask, store.version) for _ in range(500)))
    assert store.asked == 1
    assert len({one.body for one in got}) == 1
    assert (cache.hits, cache.misses) == (499, 1)


async def test_an_answer_holds_for_a_moment_and_longer_while_its_view_stands_still(store, clock):
    cache = Cache(clock)

    async def number():
        await cache.get("q", store.ask, store.version)
        return store.asked

    assert await number() == 1
    clock.advance(UNMOVED_S - 2 * FRESH_S)
    assert await number() == 1
    store.offset += 1
    assert await number() == 1  # the view was seen standing still just now
    clock.advance(FRESH_S)
    assert await number() == 2
    store.offset += 1
    clock.advance(FRESH_S / 2)
    assert await number() == 2
    clock.advance(FRESH_S)
    assert await number() == 3
    clock.advance(UNMOVED_S)
    assert await number() == 4


async def test_an_answer_that_is_not_enough_is_asked_for_again(store, clock):
    cache = Cache(clock)
    await cache.get("q", store.ask, store.version)
    store.offset = 9
    found = await cache.get("q", store.ask, store.version, lambda p: p["t"][0] >= 9)
    assert found.position == {"t": [9]}


async def test_an_answer_under_way_that_began_too_early_is_not_taken(store, clock):
    cache = Cache(clock)
    early = asyncio.create_task(cache.get("q", store.ask, store.version))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    store.offset = 9
    found = await cache.get("q", store.ask, store.version, lambda p: p["t"][0] >= 9)
    assert (await early).position == {"t": [1]}
    assert found.position == {"t": [9]}


async def test_errors_go_to_all_who_wait_and_are_not_kept(store, clock):
    cache = Cache(clock)
    store.error = Transient("away")
    waiting = [cache.get("q", store.ask, store.version) for _ in range(3)]
    got = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(one, Transient) for one in got)
    store.error = None
    await cache.get("q", store.ask, store.version)
    assert store.asked == 2


async def test_a_caller_that_gives_up_takes_nothing_from_the_others(store, clock):
    cache = Cache(clock)
    first = asyncio.create_task(cache.get("q", store.ask, store.version))
    second = asyncio.create_task(cache.get("q", store.ask, store.version))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).position == {"t": [1]}
    assert store.asked == 1


async def test_the_least_used_answers_go_first(store, clock):
    cache = Cache(clock)
    for n in range(MAX_ENTRIES + 1):
        await cache.get(n, store.ask, store.version)
        await cache.get(0, store.ask, store.version)
    asked = store.asked
    await cache.get(0, store.ask, store.version)
    assert store.asked == asked
    await cache.get(1, store.ask, store.version)
    assert store.asked == asked + 1
