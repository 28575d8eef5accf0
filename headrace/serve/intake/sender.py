"""The process's one producer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from confluent_kafka import KafkaError, KafkaException, Message, Producer
from opentelemetry.context import Context

from headrace.client.events import Ready
from headrace.client.send import producer_settings
from headrace.errors import ConfigError
from headrace.security import grants
from headrace.security.link import Link
from headrace.serve.intake.batch import Batch, Unknown
from headrace.serve.intake.room import MAX_BYTES, MAX_RECORDS
from headrace.telemetry.events import Sending

#: How long Kafka may take to acknowledge a record, the producer's own tries included.
ACK_S = 10.0
METADATA_S = 3.0
POLL_S = 0.5


class Sender:
    """Sends records of all topics, idempotently, and reports what became of them to their batches.

    Connects when it is first used. Safe to use from many threads.
    """

    def __init__(self, bootstrap: str) -> None:
        self._link = Link(bootstrap)
        self._lock = threading.Lock()
        self._producer: Producer | None = None

    def check(self, topic: str) -> None:
        """Raises ConfigError if the topic does not exist or we may not write it, Transient if Kafka
        does not answer.
        """
        if topic not in self._link.metadata(self._open(), METADATA_S).topics:
            raise ConfigError(f"topic {topic!r} does not exist yet: run 'headrace apply'")
        grants.check(self._link.bootstrap, [grants.Grant(grants.WRITE, grants.TOPIC, topic)])

    def send(
        self,
        topic: str,
        records: Iterable[tuple[int, Ready]],
        within: Context | None,
        batch: Batch,
    ) -> None:
        """Hand the numbered records over; ``batch`` learns what becomes of each.

        Their spans are in the trace of the request: ``within``, if it has one.
        """
        for number, record in records:
            batch.handed()
            sending = Sending(topic, within)
            report = _reporting(batch, number, sending)
            producer = self._open()
            try:
                producer.produce(
                    topic,
                    record.value,
                    record.key,
                    on_delivery=report,
                    headers=sending.headers(),
                )
            except BufferError as error:
                sending.refused(type(error).__name__)
                batch.settle(number, Unknown(str(error)))
            except KafkaException as error:
                self._failed(producer, error.args[0])
                report(error.args[0], None)
        batch.all_handed()

    def _open(self) -> Producer:
        with self._lock:
            if self._producer is None:
                self._producer = Producer(
                    {
                        **producer_settings(self._link),
                        "message.timeout.ms": int(ACK_S * 1000),
                        # More than there is room for: who sends too much is told so before.
                        "queue.buffering.max.messages": 2 * MAX_RECORDS,
                        "queue.buffering.max.kbytes": 4 * MAX_BYTES >> 10,
                    }
                )
                poll = threading.Thread(target=self._poll, args=(self._producer,), daemon=True)
                poll.start()
            return self._producer

    def _failed(self, producer: Producer, error: KafkaError) -> None:
        """A producer that can't keep its promise any more takes no record: the next use makes one.

        What it had is reported all the same.
        """
        with self._lock:
            if error.fatal() and self._producer is producer:
                self._producer = None

    def _poll(self, producer: Producer) -> None:
        while producer is self._producer or len(producer):
            producer.poll(POLL_S)


def _reporting(
    batch: Batch, number: int, sending: Sending
) -> Callable[[KafkaError | None, Message | None], None]:
    """Ends a record's span, then tells its batch, with what the producer reports."""

    def report(error: KafkaError | None, message: Message | None) -> None:
        if error is not None:
            sending.refused(error.name())
        elif message is not None:
            sending.stored(message.partition(), message.offset())
        batch.delivered(number, error, message)

    return report
