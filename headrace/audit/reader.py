"""Reading the audit topic: all of it, or its last entry."""

from __future__ import annotations

import time

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaTP

from headrace.audit.chain import Record
from headrace.audit.entry import Entry, NotAnEntry, decode
from headrace.errors import Transient
from headrace.security import grants
from headrace.security.link import Link

TIMEOUT_S = 15.0
POLL_S = 0.2
#: A writer that was killed leaves its transaction open until the broker ends it: 10 s after its
#: beginning, at the broker's next look, which comes every 10 s.
PATIENCE_S = 30.0
#: How far before the end the last entry is looked for; it grows by the factor where there is none.
#: Each entry takes two offsets, one for its transaction's marker.
TAIL, FACTOR = 32, 16


class Reader:
    """Reads committed records in the order of the topic. Joins no group. Raises KafkaException."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        self._topic = topic
        self._consumer = Consumer(
            {
                **Link(bootstrap).settings(),
                "group.id": grants.AUDIT_GROUP,  # never joined: the partition is assigned by hand
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "isolation.level": "read_committed",
                "fetch.wait.max.ms": 50,
                "log_level": 0,  # what matters is raised, or retried
            }
        )

    def span(self) -> tuple[int, int]:
        """The topic's first and next offset, those of open transactions included."""
        begin, end = self._consumer.get_watermark_offsets(KafkaTP(self._topic, 0), TIMEOUT_S)
        return begin, end

    def records(self, start: int = 0) -> list[Record]:
        """All records from an offset to the end as it is now.

        Waits for transactions that are open: what they hold may be the end of the chain.
        """
        begin, end = self.span()
        if max(begin, start) >= end:
            return []
        self._consumer.assign([KafkaTP(self._topic, 0, max(begin, start))])
        found: list[Record] = []
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            message = self._consumer.poll(POLL_S)
            if message is None:
                continue
            error = message.error()
            if error is None:
                found.append(_record(message.offset(), message.value()))
                until = time.monotonic() + PATIENCE_S
            elif error.code() != KafkaError._PARTITION_EOF:
                raise KafkaException(error)
            elif message.offset() >= end:
                return found
        raise Transient(
            f"topic {self._topic!r} can't be read to its end (offset {end}) within "
            f"{PATIENCE_S:.0f} s: the broker does not answer, or a transaction stays open"
        )

    def last(self) -> Entry | None:
        """The entry to continue; None when there is none.

        Of those near the end the one with the highest number: neither records that are no entries
        nor old ones that somebody repeated may lead the chain astray.
        """
        begin, end = self.span()
        size = TAIL
        while True:
            start = max(begin, end - size)
            found = [r.entry for r in self.records(start) if r.entry is not None]
            if found:
                return max(found, key=lambda entry: entry.sequence)
            if start == begin:
                return None
            size *= FACTOR

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()


def _record(offset: int, value: bytes | None) -> Record:
    try:
        return Record(offset, decode(value))
    except NotAnEntry as error:
        return Record(offset, None, str(error))
