"""Records of a fetched partition, a whole batch at a time.

aiokafka hands records out one by one through a generator, which takes as long as parsing them does.
This does what its ``PartitionRecords._unpack_records`` does (aiokafka 0.14), by batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiokafka.consumer.fetcher import READ_COMMITTED, FetchResult
from aiokafka.errors import ConsumerStoppedError, CorruptRecordException
from aiokafka.structs import TopicPartition

from headrace.transport.buffer import Columns, Fetched


async def fetch(
    consumer: Any, limits: Mapping[TopicPartition, int], timeout_s: float
) -> dict[TopicPartition, Fetched]:
    """What has been fetched of some partitions of an ``AIOKafkaConsumer``, once there is something.

    Empty after ``timeout_s``. ``limits`` says after how many records of a partition to stop, at the
    end of a batch; every other partition is left as it is, so its fetching stops once one response
    waits. Raises what the broker answered, a KafkaError.
    """
    fetcher = consumer._fetcher
    if consumer._closed or fetcher._closed:
        raise ConsumerStoppedError
    with fetcher._subscriptions.fetch_context():
        taken = _waiting(fetcher, limits)
        if not taken and timeout_s:
            waiter = fetcher._create_fetch_waiter()
            done, _ = await asyncio.wait([waiter], timeout=timeout_s)
            if not done:
                waiter.cancel()
                return {}
            waiter.result()
            taken = _waiting(fetcher, limits)
        return taken


def _waiting(fetcher: Any, limits: Mapping[TopicPartition, int]) -> dict[TopicPartition, Fetched]:
    if fetcher._closed or fetcher._subscriptions.reassignment_in_progress:
        return {}
    taken: dict[TopicPartition, Fetched] = {}
    for tp in list(fetcher._records):
        if not fetcher._subscriptions.is_assigned(tp):
            del fetcher._records[tp]
            continue
        if tp not in limits:
            continue
        result = fetcher._records[tp]
        if type(result) is not FetchResult:
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
            result.check_raise()
            continue
        state = result._assignment.state_value(tp)
        start = state.position
        records = take(result, limits[tp])
        if not result.has_more():
            del fetcher._records[tp]
            fetcher._notify(fetcher._wait_consume_future)
        if state.position > start:
            taken[tp] = Fetched(start, state.position, Columns.of(records))
    return taken


def take(result: Any, limit: int) -> list[Any]:
    """The next records of a ``FetchResult``: batches until there are ``limit`` records or more.

    The partition's position moves behind the last batch, over control batches and aborted
    transactions. Raises CorruptRecordException when a batch's checksum is wrong; nothing is taken
    then, and the partition is fetched again from where it was.
    """
    if not result.check_assignment(result._topic_partition) or not result.has_more():
        return []
    fetched = result._partition_records
    # Its generator, which is not used here, holds it in a cycle, and with it all that was fetched:
    # that would stay until Python's collector comes by, which is seldom.
    fetched._records_iterator = None
    batches, taken = fetched._records, list[Any]()
    while batches.has_next() and len(taken) < limit:
        batch = batches.next_batch()
        if fetched._check_crcs and not batch.validate_crc():
            result._partition_records = None
            raise CorruptRecordException(f"Invalid CRC - {result._topic_partition}")
        if not _aborted(fetched, batch) and not batch.is_control_batch:
            records = list(batch)
            if records and records[0].offset < fetched.next_fetch_offset:
                # A fetch from the middle of a batch is answered with all of it.
                records = [r for r in records if r.offset >= fetched.next_fetch_offset]
            taken += records
        fetched.next_fetch_offset = batch.next_offset
    result._update_position()
    if not batches.has_next():
        result._partition_records = None
    return taken


def _aborted(fetched: Any, batch: Any) -> bool:
    """Whether a batch belongs to an aborted transaction (KIP-98); keeps track of those."""
    if fetched._isolation_level != READ_COMMITTED or batch.producer_id is None:
        return False
    fetched._consume_aborted_up_to(batch.base_offset)
    if batch.is_control_batch and fetched._contains_abort_marker(batch):
        fetched._aborted_producers.discard(batch.producer_id)
    return bool(batch.is_transactional) and batch.producer_id in fetched._aborted_producers
