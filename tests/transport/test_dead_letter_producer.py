"""One producer, however many blocks have their first dead letter at once. Others are real in
tests/integration/test_dead_letters.py."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from aiokafka.errors import KafkaConnectionError

from headrace.block import Block
from headrace.clock import ManualClock
from headrace.errors import Transient
from headrace.frame import Bad
from headrace.transport import deadletters
from headrace.transport.deadletters import DeadLetterProducer


class Producer:
    """Starts slowly, or not at all; acknowledges everything."""

    made: list[Producer] = []  # noqa: RUF012 - of one test
    fails = False

    def __init__(self, **_: object) -> None:
        self.made.append(self)
        self.stopped = False

    async def start(self) -> None:
        await asyncio.sleep(0)
        if self.fails:
            raise KafkaConnectionError("nobody there")

    async def send(self, *_: object, **__: object) -> asyncio.Future[None]:
        acknowledged = asyncio.get_running_loop().create_future()
        acknowledged.set_result(None)
        return acknowledged

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture(autouse=True)
def producer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Producer, "made", [])
    monkeypatch.setattr(deadletters, "AIOKafkaProducer", Producer)


def sent(letters: DeadLetterProducer, partition: int) -> asyncio.Future[None]:
    at = np.array([41], np.int64)
    block = Block("t", partition, 41, 41, [b"\0"], at, at, [None])
    return asyncio.ensure_future(letters.send(block, [Bad(0, "frame", "short")]))


async def test_many_blocks_at_once_share_one_producer() -> None:
    letters = DeadLetterProducer("nowhere", ".dlq", ManualClock())
    await asyncio.gather(*(sent(letters, partition) for partition in range(3)))
    await letters.close()
    assert [one.stopped for one in Producer.made] == [True]


async def test_one_that_does_not_start_is_stopped_and_another_tried(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    letters = DeadLetterProducer("nowhere", ".dlq", ManualClock())
    monkeypatch.setattr(Producer, "fails", True)
    with pytest.raises(Transient, match="nobody there"):
        await sent(letters, 0)
    monkeypatch.setattr(Producer, "fails", False)
    await sent(letters, 0)
    assert [one.stopped for one in Producer.made] == [True, False]
