"""Sends emitted events: one idempotent producer a worker, acknowledged by all replicas."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from typing import Any

from confluent_kafka import KafkaError, KafkaException, Producer

from headrace.client.send import producer_settings
from headrace.errors import HeadraceError, Terminal, Transient
from headrace.security.link import Link
from headrace.writes import Outgoing

POLL_S = 0.05
#: After so long without an acknowledgement an attempt is over; the next one sends all of it again.
TIMEOUT_MS = 30_000


class KafkaEmitter:
    """Implements ``headrace.keyed.store.Emitter``. Safe to use from many partitions at once.

    An event without a partition goes to that of its key by murmur2, where everybody else sends it.
    """

    def __init__(self, bootstrap: str) -> None:
        """Connects when there is something to send."""
        self._bootstrap = bootstrap
        self._lock = threading.Lock()
        self._producer: Producer | None = None
        self._closed = False

    async def send(self, events: Sequence[Outgoing]) -> None:
        """See ``Emitter``."""
        await asyncio.to_thread(self._send, events)

    def _send(self, events: Sequence[Outgoing]) -> None:
        producer = self._ready()
        failed: list[KafkaError] = []
        left = len(events)

        def acknowledged(error: KafkaError | None, _: Any) -> None:
            nonlocal left
            left -= 1
            if error is not None:
                failed.append(error)

        for event in events:
            self._enqueue(producer, event, acknowledged)
        while left and not self._closed:
            producer.poll(POLL_S)
        if left:
            raise Transient("the worker stops")
        if failed:
            raise self._failure(producer, failed[0], events)

    def _enqueue(self, producer: Producer, event: Outgoing, acknowledged: Any) -> None:
        place = {} if event.partition is None else {"partition": event.partition}
        while True:
            try:
                producer.produce(
                    event.topic, event.value, event.key, on_delivery=acknowledged, **place
                )
            except BufferError:
                if self._closed:
                    return
                producer.poll(POLL_S)
            except KafkaException as error:
                raise self._failure(producer, error.args[0], [event]) from error
            else:
                return

    def _ready(self) -> Producer:
        with self._lock:
            if self._producer is None:
                link = Link(self._bootstrap)
                self._producer = Producer(
                    {**producer_settings(link), "message.timeout.ms": TIMEOUT_MS}
                )
            return self._producer

    def _failure(
        self, producer: Producer, error: KafkaError, events: Sequence[Outgoing]
    ) -> HeadraceError:
        """The error with a policy. A producer that can't go on is replaced by the next attempt."""
        with self._lock:
            if error.fatal() and self._producer is producer:
                self._producer = None
        topics = ", ".join(sorted({event.topic for event in events}))
        what = f"can't send emitted events to {topics}: {error}"
        passing = error.fatal() or error.retriable() or error.code() in _PASSING
        return Transient(what) if passing else Terminal(what)

    async def close(self) -> None:
        """See ``Emitter``. Nobody waits for what is not acknowledged any more."""
        self._closed = True


_PASSING = (
    KafkaError._MSG_TIMED_OUT,
    KafkaError._TIMED_OUT,
    KafkaError._TRANSPORT,
    KafkaError._ALL_BROKERS_DOWN,
    KafkaError._PURGE_QUEUE,
    KafkaError._PURGE_INFLIGHT,
    KafkaError._UNKNOWN_PARTITION,
    KafkaError._UNKNOWN_TOPIC,
    KafkaError.NOT_ENOUGH_REPLICAS,
    KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
    KafkaError.UNKNOWN_TOPIC_OR_PART,
    KafkaError.REQUEST_TIMED_OUT,
)
