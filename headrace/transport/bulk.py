"""Ranges of the log read in bulk, by the batch as workers do, without a group."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer
from aiokafka.errors import KafkaError, OffsetOutOfRangeError
from aiokafka.structs import TopicPartition as KafkaTP

from headrace.block import TopicPartition
from headrace.closing import Closing
from headrace.errors import Transient
from headrace.security.kafka import from_environment
from headrace.transport import batches
from headrace.transport.buffer import Fetched
from headrace.transport.credentials import for_aiokafka

#: Bytes asked for of a partition at once: some 40,000 records.
FETCH_BYTES = 8 << 20

T = TypeVar("T")


class NoLonger(Exception):
    """The log does not have the offset where the reading of ``tp`` stands."""

    def __init__(self, tp: TopicPartition) -> None:
        super().__init__(str(tp))
        self.tp = tp


class Bulk(Closing):
    """Reads what is committed of some partitions, to be called from one thread.

    Its event loop runs while ``fetch`` does. Against librdkafka, which makes an object of each
    record for Python, this reads three times as many records a CPU-second.
    """

    def __init__(self, bootstrap: str, starts: Mapping[TopicPartition, int]) -> None:
        """``starts`` are the first offsets. Raises Transient if Kafka does not answer."""
        self._tps = {KafkaTP(*tp): tp for tp in starts}
        self._loop = asyncio.new_event_loop()
        try:
            self._consumer: Any = self._run(self._open(bootstrap, starts))
        except BaseException:
            self._loop.close()
            raise

    def close(self) -> None:
        """Disconnect."""
        try:
            self._loop.run_until_complete(self._consumer.stop())
        finally:
            self._loop.close()

    def fetch(self, limit: int, timeout_s: float) -> dict[TopicPartition, Fetched]:
        """What comes next of any partitions, once there is something; empty after ``timeout_s``.

        ``limit``: after how many records of a partition to stop, at the end of a batch. Raises
        NoLonger, Transient.
        """
        found = self._run(batches.fetch(self._consumer, dict.fromkeys(self._tps, limit), timeout_s))
        return {self._tps[tp]: fetched for tp, fetched in found.items()}

    def end(self, tp: TopicPartition) -> int | None:
        """Behind what was committed when Kafka last answered; None before it has."""
        end: int | None = self._consumer.last_stable_offset(KafkaTP(*tp))
        return end

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        try:
            return self._loop.run_until_complete(work)
        except OffsetOutOfRangeError as error:
            (tp,) = error.args[0]
            raise NoLonger(self._tps[tp]) from error
        except KafkaError as error:
            raise Transient(f"Kafka can't be read: {error!r}") from error

    async def _open(self, bootstrap: str, starts: Mapping[TopicPartition, int]) -> AIOKafkaConsumer:
        consumer = AIOKafkaConsumer(
            bootstrap_servers=bootstrap,
            isolation_level="read_committed",
            # What is no longer there must be noticed, not passed over.
            auto_offset_reset="none",
            max_partition_fetch_bytes=FETCH_BYTES,
            **for_aiokafka(from_environment()),
        )
        try:
            await consumer.start()
            consumer.assign(list(self._tps))
            for tp, offset in starts.items():
                consumer.seek(KafkaTP(*tp), offset)
        except BaseException:
            await consumer.stop()
            raise
        return consumer
