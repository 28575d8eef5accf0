"""A topic of the real broker, written to with transactions and trimmed as retention would."""

from __future__ import annotations

import time
import uuid
from typing import Any

from confluent_kafka import OFFSET_BEGINNING, Consumer, KafkaError, Message, Producer
from confluent_kafka import TopicPartition as KafkaTP
from confluent_kafka.admin import AdminClient, NewTopic

from headrace.block import TopicPartition
from tests.archive.records import START_MS, Record

DEADLINE_S = 60.0


class Topic:
    """A topic of one partition with a name of its own."""

    def __init__(self, kafka: str, **config: str) -> None:
        self.kafka = kafka
        self.name = f"archived.{uuid.uuid4().hex[:12]}"
        self.tp = TopicPartition(self.name, 0)
        self._admin = AdminClient({"bootstrap.servers": kafka})
        # Its records are of the past: the broker's retention would take them while a test runs.
        config = {"retention.ms": "-1", **config}
        created = self._admin.create_topics([NewTopic(self.name, 1, 1, config=config)])
        created[self.name].result(DEADLINE_S)
        self._producer: Any = None
        self._sent = 0
        self._last = -1

    def send(self, count: int, *, abort: bool = False, leave_open: bool = False) -> None:
        """One transaction, which leaves a control record in the log, whatever becomes of it."""
        if self._producer is None:
            self._producer = Producer(
                {"bootstrap.servers": self.kafka, "transactional.id": self.name}
            )
            self._producer.init_transactions(DEADLINE_S)
        self._producer.begin_transaction()
        for _ in range(count):
            number, self._sent = self._sent, self._sent + 1
            self._producer.produce(
                self.name,
                None if number % 7 == 3 else b"value %d" % number,
                None if number % 5 == 2 else b"key %d" % (number % 3),
                timestamp=START_MS + number * 60_000,
                headers=[("n", b"%d" % number), ("n", None)] if number % 4 == 1 else None,
                on_delivery=self._delivered,
            )
        self._producer.flush(DEADLINE_S)
        if abort:
            self._producer.abort_transaction(DEADLINE_S)
            self._ended()
        elif not leave_open:
            self.commit()

    def commit(self) -> None:
        """Commit the transaction that was left open."""
        self._producer.commit_transaction(DEADLINE_S)
        self._ended()

    def _delivered(self, error: KafkaError | None, message: Message) -> None:
        assert error is None, error
        self._last = message.offset()

    def _ended(self) -> None:
        """Wait for the marker behind the last record: it is written after the commit's answer."""
        consumer = Consumer({"bootstrap.servers": self.kafka, "group.id": self.name})
        deadline = time.monotonic() + DEADLINE_S
        while consumer.get_watermark_offsets(KafkaTP(*self.tp), DEADLINE_S)[1] < self._last + 2:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        consumer.close()

    def trim(self, before: int) -> None:
        """Remove what lies before an offset."""
        asked = self._admin.delete_records([KafkaTP(self.name, 0, before)])
        for done in asked.values():
            done.result(DEADLINE_S)

    def records(self) -> list[Record]:
        """What a plain consumer of committed records gets, one by one."""
        consumer = Consumer(
            {
                "bootstrap.servers": self.kafka,
                "group.id": self.name,
                "enable.partition.eof": True,
                "enable.auto.commit": False,
            }
        )
        consumer.assign([KafkaTP(self.name, 0, OFFSET_BEGINNING)])
        found = []
        while True:
            message = consumer.poll(DEADLINE_S)
            if message.error() is not None:
                assert message.error().code() == KafkaError._PARTITION_EOF, message.error()
                consumer.close()
                return found
            found.append(
                Record(
                    message.offset(), message.timestamp()[1], message.key(), message.value(),
                    tuple(message.headers() or ()),
                )
            )  # fmt: skip
