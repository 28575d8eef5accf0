"""The topic of alerts: each event in it exactly once."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer
from confluent_kafka import TopicPartition as KafkaTP

from headrace.client.blocks import block_of
from headrace.errors import ConfigError, Fenced, Transient
from headrace.schema import Codec, Encoder
from headrace.schemas import registry_of
from headrace.security import grants
from headrace.security.link import Link
from headrace.topology.model import ALERTS_SCHEMA, Topology

TIMEOUT_S = 15.0
POLL_S = 0.2
TRANSACTION_MS = 20_000
#: A writer that was killed leaves its transaction open; readers wait behind it until it is ended.
PATIENCE_S = 40.0
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}


class Records:
    """Alert events as the topic has them."""

    def __init__(self, root: Path, topology: Topology) -> None:
        """Raises ConfigError when the schema is not locked."""
        registry = registry_of(root, topology)
        self._encoder = Encoder(registry, ALERTS_SCHEMA)
        self._codec = Codec(registry, ALERTS_SCHEMA)

    def encode(self, event: dict[str, Any]) -> bytes:
        """A record's value."""
        return self._encoder.encode(event)

    def decode(self, messages: Sequence[Message]) -> list[dict[str, Any]]:
        """Records as JSON; those that are not alerts are left out."""
        if not messages:
            return []
        frame = self._codec.decode(block_of(list(messages)))
        return [self._encoder.to_json(row) for row in frame.df.to_dicts()]


class AlertsTopic:
    """Writes in transactions. Who opens it fences off whoever wrote before."""

    def __init__(self, topology: Topology, records: Records, bootstrap: str) -> None:
        """Raises ConfigError when there is no such topic, or it is not allowed."""
        self._name = topology.alerts_topic
        self._records = records
        self._link = Link(bootstrap)
        grants.check(bootstrap, grants.watch(topology))
        self._producer = Producer(
            {
                **self._link.settings(),
                "transactional.id": self._name,
                "transaction.timeout.ms": TRANSACTION_MS,
                "log_level": 0,  # what matters is raised
            }
        )
        self._consumer = Consumer(
            {
                **self._link.settings(),
                "group.id": grants.watch_group(topology),  # of the webhook; here never joined
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "log_level": 0,
            }
        )
        found = self._link.metadata(self._producer, TIMEOUT_S).topics.get(self._name)
        if found is None or len(found.partitions) != 1:
            raise ConfigError(
                f"topic {self._name!r} does not exist with one partition: run 'headrace apply'"
            )

    def open(self) -> None:
        """From now on nobody else's events get in; raises Transient, Fenced."""
        try:
            self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            raise self._as_ours(error) from error

    def end(self) -> int:
        """The offset behind which what is sent next will be; raises Transient."""
        try:
            _, end = self._consumer.get_watermark_offsets(KafkaTP(self._name, 0), TIMEOUT_S)
        except KafkaException as error:
            raise self._as_ours(error) from error
        return int(end)

    def send(self, events: Sequence[dict[str, Any]]) -> None:
        """Append the events, all or none; raises Fenced, Transient when it is not known which."""
        try:
            self._producer.begin_transaction()
            for event in events:
                value = self._records.encode(event)
                self._producer.produce(self._name, value, event["group"].encode(), partition=0)
            self._producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            raise self._as_ours(error) from error

    def sent_after(self, offset: int) -> set[str]:
        """The ids of all events from an offset on; raises Transient.

        After ``open`` these are all there will ever be of earlier writers: it waits for the markers
        of a transaction whose commit was answered, or whose answer was lost.
        """
        return {event["event_id"] for event in self.read(offset)}

    def read(self, offset: int) -> list[dict[str, Any]]:
        """All events from an offset to the end as it is now, as JSON; raises Transient."""
        end = self.end()
        if offset >= end:
            return []
        self._consumer.assign([KafkaTP(self._name, 0, offset)])
        messages = []
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            message = self._consumer.poll(POLL_S)
            if message is None:
                continue
            error = message.error()
            if error is None:
                messages.append(message)
            elif error.code() != KafkaError._PARTITION_EOF:
                raise self._as_ours(KafkaException(error))
            elif message.offset() >= end:
                return self._records.decode(messages)
        raise Transient(f"topic {self._name!r} can't be read to its end within {PATIENCE_S:.0f} s")

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _as_ours(self, error: KafkaException) -> Fenced | Transient:
        cause: KafkaError = error.args[0]
        if cause.code() in _FENCED:
            return Fenced(f"another process writes to {self._name!r} now")
        return Transient(f"topic {self._name!r}: {cause.str()}")
