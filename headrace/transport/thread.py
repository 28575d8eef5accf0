"""The part of the consumer that lives in Faust's Kafka thread, beside the aiokafka client."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Collection, Mapping
from typing import Any

import aiokafka
from aiokafka.client import ConnectionGroup
from aiokafka.errors import (
    ConsumerStoppedError,
    IllegalGenerationError,
    KafkaConnectionError,
    KafkaError,
    RebalanceInProgressError,
    UnknownMemberIdError,
)
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as KafkaTP
from faust.transport.drivers import aiokafka as driver
from faust.types import TP

from headrace.block import TopicPartition
from headrace.delivery.intent import Position
from headrace.errors import Fenced, Transient
from headrace.transport import batches
from headrace.transport.buffer import Fetched
from headrace.transport.gather import Gather

MAX_PARTITION_FETCH_BYTES = 1 << 20
#: SO_LINGER on, with 0 s: close() resets the connection and drops what was not delivered.
DROP_UNSENT = struct.pack("ii", 1, 0)
GENERATION_PASSED = (UnknownMemberIdError, IllegalGenerationError, RebalanceInProgressError)


class BlockConsumerThread(driver.AIOKafkaConsumerThread):  # type: ignore[misc]
    """Fetches by partition and commits with metadata. Implements ``delivery.log.Offsets``."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        #: In which generation of the group each partition's committed position was last read.
        self._generations: dict[TopicPartition, int] = {}
        self._gather = Gather(time.monotonic())

    def _create_worker_consumer(self, transport: Any) -> aiokafka.AIOKafkaConsumer:
        consumer = super()._create_worker_consumer(transport)
        # Faust has no setting for it; it is read when the fetcher starts.
        consumer._isolation_level = "read_committed"
        return consumer

    async def fetch(self, wanted: Mapping[TP, int], timeout: float) -> dict[TP, Fetched]:
        """Return what has been fetched of the wanted partitions, waiting at most ``timeout`` s.

        ``wanted`` says after how many records of a partition to stop, at the end of a batch; every
        other partition is left as it is, so its fetching stops once one response waits.
        """
        return await self.call_thread(self._fetch, wanted, timeout)  # type: ignore[no-any-return]

    async def _fetch(self, wanted: Mapping[TP, int], timeout: float) -> dict[TP, Fetched]:
        consumer = self._ensure_consumer()
        tps = {KafkaTP(tp.topic, tp.partition): tp for tp in wanted}
        limits = {kafka_tp: wanted[tp] for kafka_tp, tp in tps.items()}
        taken = await batches.fetch(consumer, limits, timeout)
        records = sum(len(fetched.columns) for fetched in taken.values())
        wait = self._gather.took(records, time.monotonic())
        # aiokafka reads both for each request that it makes.
        fetcher = consumer._fetcher
        fetcher._fetch_min_bytes, fetcher._fetch_max_wait_ms = wait.min_bytes, wait.max_ms
        return {tps[kafka_tp]: fetched for kafka_tp, fetched in taken.items()}

    async def seek_to(self, tp: TP, offset: int) -> None:
        """Fetch from ``offset`` next; what was fetched before is dropped."""
        await self.call_thread(self._seek_to, KafkaTP(tp.topic, tp.partition), offset)

    async def _seek_to(self, tp: KafkaTP, offset: int) -> None:
        self._ensure_consumer().seek(tp, offset)

    async def committed(
        self, tps: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Position | None]:
        """See ``delivery.log.Offsets``."""
        return await self.call_thread(self._committed, tps)  # type: ignore[no-any-return]

    async def _committed(
        self, tps: Collection[TopicPartition]
    ) -> Mapping[TopicPartition, Position | None]:
        coordinator = self._ensure_consumer()._coordinator
        self._generations.update(dict.fromkeys(tps, coordinator.generation))
        try:
            found = await coordinator.fetch_committed_offsets([KafkaTP(*tp) for tp in tps])
        except KafkaError as error:
            raise Transient(f"can't read committed offsets: {error!r}") from error
        positions: dict[TopicPartition, Position | None] = dict.fromkeys(tps)
        for tp, entry in found.items():
            if entry.offset >= 0:
                positions[TopicPartition(*tp)] = Position.parse(entry.offset, entry.metadata)
        return positions

    async def commit(self, positions: Mapping[TopicPartition, Position]) -> None:
        """See ``delivery.log.Offsets``."""
        await self.call_thread(self._commit_positions, positions)

    async def _commit_positions(self, positions: Mapping[TopicPartition, Position]) -> None:
        consumer = self._ensure_consumer()
        coordinator = consumer._coordinator
        offsets = {
            KafkaTP(*tp): OffsetAndMetadata(position.offset, position.metadata())
            for tp, position in positions.items()
        }
        # Not consumer.commit(): it repeats a failed request by itself, and a repetition that falls
        # behind a rebalance goes out under the new generation, for a partition that is somebody
        # else's by then. From the check to the request nothing is awaited here.
        try:
            await coordinator.ensure_coordinator_known()
            await _never_late(coordinator)
            self._check_assigned(positions)
            await coordinator._do_commit_offsets(None, offsets)
        except GENERATION_PASSED as error:
            raise Fenced(f"commit refused: {error!r}") from error
        except ConsumerStoppedError as error:
            raise Fenced("the consumer is stopping") from error
        except KafkaError as error:
            raise Transient(f"commit failed: {error!r}") from error

    def _check_assigned(self, positions: Collection[TopicPartition]) -> None:
        consumer = self._ensure_consumer()
        generation = consumer._coordinator.generation
        assigned = consumer.assignment()
        for tp in positions:
            if self._generations.get(tp) != generation or KafkaTP(*tp) not in assigned:
                raise Fenced(
                    f"{tp} was assigned in generation {self._generations.get(tp)}, this is "
                    f"{generation}"
                )


async def _never_late(coordinator: Any) -> None:
    """See that a commit which is given up on can't arrive after a later one.

    Closing a connection lets the kernel deliver what it still holds, minutes later if the network
    was down. With this option it is dropped. Nothing else orders commits of one generation. Raises
    KafkaConnectionError when the connection has just been closed.
    """
    group, node = ConnectionGroup.COORDINATION, coordinator.coordinator_id
    if await coordinator._client.ready(node, group=group):
        connection = coordinator._client._conns[node, group]
        raw = connection._writer.get_extra_info("socket")
        try:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, DROP_UNSENT)
        except OSError as error:
            raise KafkaConnectionError(
                f"the coordinator's connection is closed: {error}"
            ) from error
