"""Sending chunks to Kafka: idempotent, in order by partition, every acknowledgement counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from confluent_kafka import KafkaError, Message, Producer

from headrace.errors import ConfigError, Terminal
from headrace.security import grants
from headrace.security.link import Link
from loadgen.chunk import Batch, Chunk
from loadgen.wiring import Wiring

TIMEOUT_S = 15.0
FLUSH_S = 120.0
BATCH = 4_096
IN_FLIGHT = 150_000  # records handed over and not acknowledged; more wait here

#: Batches of a busy producer should be worth their overhead, which the broker and all consumers
#: pay, too: with 24 partitions and 10 ms there are 2,400 a second.
LINGER_MS, BUSY_LINGER_MS = 10, 50
BUSY = 20_000  # records/s

SETTINGS: dict[str, Any] = {
    # confluent-kafka 2.16's produce_batch ignores the partition of a message: without this the
    # records go where CRC-32 of the key says, and located features can't be found again.
    "partitioner": "murmur2_random",
    "enable.idempotence": True,
    "log_level": 3,  # errors only: the rest is raised, or retried
    "compression.type": "lz4",
    "batch.size": 1_000_000,
    # Above IN_FLIGHT, so that handing over never fails half-way: order would be lost.
    "queue.buffering.max.messages": 2 * IN_FLIGHT,
    "queue.buffering.max.kbytes": 1_048_576,
    "client.id": "headrace-load",
}


class Sender:
    """One producer. ``acknowledged`` counts the records that the brokers have confirmed."""

    def __init__(self, bootstrap: str, wiring: Wiring, rate: float) -> None:
        """``rate``: records/s it is meant to send; 0 is as fast as it goes."""
        self.acknowledged = 0
        self._failure: str | None = None
        routes = wiring.values()
        grants.check(bootstrap, [grants.Grant(grants.WRITE, grants.TOPIC, r.topic) for r in routes])
        link = Link(bootstrap)
        self._producer = Producer(
            SETTINGS
            | {"linger.ms": LINGER_MS if 0 < rate < BUSY else BUSY_LINGER_MS}
            | {**link.settings(), "on_delivery": self._on_delivery}
        )
        self._check(link, wiring)

    def send(self, chunk: Chunk, start: int, stop: int) -> None:
        """Hand over the records with ``start <= seq < stop``.

        Blocks while too many are in flight. Raises Terminal when any delivery has failed.
        """
        for batch in chunk.batches.values():
            low, high = np.searchsorted(batch.seq, [start, stop]).tolist()
            for first in range(low, high, BATCH):
                self._hand_over(batch, first, min(first + BATCH, high))
        self._producer.poll(0)
        self._raise_failure()

    def _hand_over(self, batch: Batch, first: int, last: int) -> None:
        while len(self._producer) > IN_FLIGHT:
            self._producer.poll(0.05)
            self._raise_failure()
        messages = [
            {"key": key, "value": value, "partition": partition}
            for key, value, partition in zip(
                batch.keys[first:last],
                batch.values[first:last],
                batch.partitions[first:last].tolist(),
                strict=True,
            )
        ]
        taken = self._producer.produce_batch(batch.topic, messages)
        if taken != len(messages):
            refused = next(m["_error"] for m in messages if "_error" in m)
            raise Terminal(
                f"the producer took {taken} of {len(messages)} records for "
                f"{batch.topic!r}: {refused}; no ledger can tell what was sent"
            )

    def flush(self) -> None:
        """Wait until everything handed over is acknowledged; raise Terminal if it can't be."""
        left = self._producer.flush(FLUSH_S)
        self._raise_failure()
        if left:
            raise Terminal(f"{left} records are still unacknowledged after {FLUSH_S:.0f} s")

    def _on_delivery(self, error: KafkaError | None, message: Message) -> None:
        if error is None:
            self.acknowledged += 1
        elif self._failure is None:
            self._failure = f"{message.topic()}[{message.partition()}]: {error}"

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise Terminal(
                f"a record was not delivered: {self._failure}; no ledger can tell what was sent"
            )

    def _check(self, link: Link, wiring: Wiring) -> None:
        bootstrap = link.bootstrap
        known = link.metadata(self._producer, TIMEOUT_S).topics
        for route in wiring.values():
            if route.topic not in known or known[route.topic].error:
                raise ConfigError(
                    f"topic {route.topic!r} does not exist on {bootstrap!r}: run 'headrace apply'"
                )
            found = len(known[route.topic].partitions)
            if found != route.partitions:
                raise ConfigError(
                    f"topic {route.topic!r} has {found} partitions on {bootstrap!r}, topology.yaml "
                    f"says {route.partitions}: run 'headrace plan'"
                )
