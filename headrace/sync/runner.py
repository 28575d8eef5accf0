"""Reads one table's changes and sends the events that they mean: exactly once, by transactions."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from headrace.client.events import Event, Events, NotAnEvent, Ready
from headrace.client.send import producer_settings
from headrace.delivery.crash import point
from headrace.errors import ConfigError, Fenced, Terminal, Transient
from headrace.private.ring import KeyRing
from headrace.security.link import Link
from headrace.sync.changes import Meaning
from headrace.topology.model import Topology

BATCH: Final = 2_000
WAIT_S: Final = 0.5
TIMEOUT_S: Final = 30.0
#: A transaction that its process did not end is ended by the coordinator after this time, or by
#: the next process of the same name.
TRANSACTION_MS: Final = 30_000
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_REFUSED = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD}


class Runner:
    """The one process of ``sync.changes.<name>``: as it starts, any other of that name is fenced.

    Events and the place in the changes' topic are committed together, in Kafka, so a kill at any
    time loses and repeats nothing; what Debezium tells twice has the same id twice. What can't be
    made an event stops the process in front of it: it is the mapping that is wrong, most often, and
    would be for the next rows, too.
    """

    def __init__(
        self,
        root: Path,
        topology: Topology,
        name: str,
        bootstrap: str,
        ring: Callable[[], KeyRing],
    ) -> None:
        """Raises ConfigError: no such entry, no such topic."""
        declared = topology.sync.changes.get(name)
        if declared is None:
            known = ", ".join(topology.sync.changes) or "none"
            raise ConfigError(f"sync.changes has no {name!r}; declared: {known}")
        dedupe = topology.topic(declared.topic).dedupe
        assert dedupe is not None  # the topology's checks
        self._name = name
        self._from, self._topic = declared.from_, declared.topic
        self._events = Events(root, topology, declared.topic, ring)
        self._meaning = Meaning(declared, dedupe.key, self._events.schema.type)
        self.group = f"{topology.name}.sync.{name}"
        link = Link(bootstrap)
        self._producer = Producer(
            {
                **producer_settings(link),
                "transactional.id": self.group,
                "transaction.timeout.ms": TRANSACTION_MS,
            }
        )
        self._consumer = Consumer(
            {
                **link.settings(),
                "group.id": self.group,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "earliest",
                "enable.partition.eof": False,
                "log_level": 3,
            }
        )
        self._link = link

    def start(self) -> None:
        """Fence off others and go where the last one committed; raises Transient, ConfigError."""
        try:
            self._producer.init_transactions(TIMEOUT_S)
            found = self._link.metadata(self._consumer, TIMEOUT_S, self._from).topics[self._from]
            if found.error is not None:
                raise ConfigError(
                    f"topic {self._from!r} does not exist yet: is the connector running? "
                    f"'headrace sync status'"
                )
            wanted = [TopicPartition(self._from, partition) for partition in found.partitions]
            self._consumer.assign(self._consumer.committed(wanted, TIMEOUT_S))
        except KafkaException as error:
            raise self._as_ours(error) from error

    def run(self, stop: threading.Event, told: Callable[[int, int], None]) -> None:
        """Go on until ``stop`` is set; ``told(changes, events)`` after each transaction.

        Raises Fenced when another process of the name has started, Terminal for a change that can't
        be made an event, Transient for Kafka's troubles: nothing of the batch was sent then.
        """
        try:
            while not stop.is_set():
                batch = self._consumer.consume(BATCH, WAIT_S)
                for message in batch:
                    if message.error() is not None:
                        raise KafkaException(message.error())
                if batch:
                    told(len(batch), self._send(batch))
        except KafkaException as error:
            raise self._as_ours(error) from error

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def _send(self, batch: Sequence[Message]) -> int:
        records = self._records(batch)
        self._producer.begin_transaction()
        try:
            for record in records:
                self._producer.produce(self._topic, record.value, record.key)
            ends = {message.partition(): message.offset() + 1 for message in batch}
            point("sync_sent")
            self._producer.send_offsets_to_transaction(
                [TopicPartition(self._from, partition, at) for partition, at in ends.items()],
                self._consumer.consumer_group_metadata(),
                TIMEOUT_S,
            )
            self._producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].txn_requires_abort():
                self._producer.abort_transaction(TIMEOUT_S)
            raise
        point("sync_committed")
        return len(records)

    def _records(self, batch: Sequence[Message]) -> list[Ready]:
        """The records of a batch, in order."""
        made: list[tuple[Message, Event]] = []
        for message in batch:
            if message.value() is not None:  # a tombstone, which says no more than the delete
                made += [(message, event) for event in self._meant(message)]
        ready = self._events.ready([event for _, event in made])
        records = []
        for (message, _), record in zip(made, ready, strict=True):
            if isinstance(record, NotAnEvent):
                raise self._stopped(message, str(record)) from record
            records.append(record)
        return records

    def _meant(self, message: Message) -> list[Event]:
        try:
            return self._meaning.events(message.key() or b"", message.value())
        except Terminal as error:
            raise self._stopped(message, str(error)) from error

    def _stopped(self, message: Message, why: str) -> Terminal:
        return Terminal(
            f"{self._from}[{message.partition()}]@{message.offset()} can't be made an event of "
            f"{self._topic}: {why}. Nothing is lost: mend sync.changes.{self._name} (or the row) "
            f"and start again"
        )

    def _as_ours(self, error: KafkaException) -> Fenced | Terminal | Transient:
        cause: KafkaError = error.args[0]
        if cause.code() in _REFUSED:
            return Terminal(f"the broker refused a record for {self._topic}: {cause.str()}")
        if cause.code() in _FENCED:
            return Fenced(f"another 'headrace sync run {self._name}' has started; this one ends")
        return Transient(f"{self._from} to {self._topic}: {cause.str()}: start again")
