"""What becomes of the records of one request at the broker."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from dataclasses import dataclass

from confluent_kafka import KafkaError, Message

#: The broker has looked at the record and will not have it: sending it again is of no use.
REFUSALS = frozenset(
    (KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_MSG, KafkaError.INVALID_RECORD)
)


@dataclass(frozen=True, slots=True)
class Stored:
    """All in-sync replicas have it, there."""

    partition: int
    offset: int


@dataclass(frozen=True, slots=True)
class Refused:
    """It is not stored."""

    why: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Nobody acknowledged it: it may be stored or not."""

    why: str


Fate = Stored | Refused | Unknown


class Batch:
    """Collects the fates of a request's records and wakes its event loop once, when all are known.

    Made in the event loop; settled from the threads of the producer.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._lock = threading.Lock()
        self._open = 1  # until all have been handed over
        self._fates: dict[int, Fate] = {}

    def handed(self) -> None:
        """One more record is about to go to the producer."""
        with self._lock:
            self._open += 1

    def all_handed(self) -> None:
        """No further record comes."""
        self._less()

    def settle(self, number: int, fate: Fate) -> None:
        """What became of one record."""
        self._fates[number] = fate
        self._less()

    def delivered(self, number: int, error: KafkaError | None, message: Message | None) -> None:
        """The producer's report of one record."""
        if error is None:
            assert message is not None
            self.settle(number, Stored(message.partition(), message.offset()))
        elif error.code() in REFUSALS:
            self.settle(number, Refused(f"the broker refused it: {error.str()}"))
        else:
            self.settle(number, Unknown(error.str()))

    async def fates(self) -> Mapping[int, Fate]:
        """Wait until every record's fate is known; by number. The producer bounds the wait."""
        await self._done
        return self._fates

    def _less(self) -> None:
        with self._lock:
            self._open -= 1
            if self._open:
                return
        self._loop.call_soon_threadsafe(self._finish)

    def _finish(self) -> None:
        if not self._done.done():  # the client may have gone
            self._done.set_result(None)
