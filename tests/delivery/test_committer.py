"""Group commit: one request at a time, and one refused partition does not fence the others."""

from __future__ import annotations

import asyncio

import pytest

from headrace.block import TopicPartition
from headrace.delivery.committer import Committer
from headrace.delivery.intent import Position
from headrace.errors import Fenced, Transient

A, B, C = (TopicPartition("t", n) for n in range(3))


class Group:
    """A coordinator that refuses some partitions, and holds requests until released."""

    def __init__(self, refuse=()):
        self.refuse = set(refuse)
        self.requests = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.fail = None

    async def committed(self, tps):
        raise NotImplementedError

    async def commit(self, positions):
        self.requests.append(set(positions))
        await self.gate.wait()
        if self.fail:
            raise self.fail
        if self.refuse & set(positions):
            raise Fenced("not yours")


async def test_commits_made_while_one_is_under_way_share_the_next_request():
    group = Group()
    group.gate.clear()
    committer = Committer(group)
    first = asyncio.create_task(committer.commit(A, Position(1)))
    while not group.requests:
        await asyncio.sleep(0)
    rest = [asyncio.create_task(committer.commit(tp, Position(2))) for tp in (B, C)]
    await asyncio.sleep(0)
    group.gate.set()
    await asyncio.gather(first, *rest)
    assert group.requests == [{A}, {B, C}]


async def test_a_partition_taken_away_does_not_fence_its_neighbours():
    committer = Committer(Group(refuse=[B]))
    results = await asyncio.gather(
        *(committer.commit(tp, Position(1)) for tp in (A, B, C)), return_exceptions=True
    )
    assert results[0] is None
    assert isinstance(results[1], Fenced)
    assert results[2] is None


async def test_a_failed_request_reaches_every_waiter_and_the_next_one_works():
    group = Group()
    group.fail = Transient("away")
    committer = Committer(group)
    with pytest.raises(Transient, match="away"):
        await committer.commit(A, Position(1))
    group.fail = None
    await committer.commit(A, Position(1))
    assert committer.requests == 2
