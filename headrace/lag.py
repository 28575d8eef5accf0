"""How far the consumer group is behind the log, as the broker tells it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException
from confluent_kafka import TopicPartition as KafkaTP

from headrace.block import TopicPartition
from headrace.closing import Closing
from headrace.errors import Transient
from headrace.security import grants
from headrace.security.link import Link

TIMEOUT_S = 10.0
PATIENCE_S = 30.0
PAUSE_S = 0.2


@dataclass(frozen=True, slots=True)
class Lag:
    """Positions of one partition: the log's first and next offset, and the committed one."""

    begin: int
    end: int
    committed: int | None

    @property
    def behind(self) -> int:
        """Offsets not yet committed as applied."""
        return self.end - max(self.begin, self.committed or 0)


class LagReader(Closing):
    """Asks the broker for committed and end offsets. Never joins the group."""

    def __init__(
        self,
        bootstrap: str,
        group: str,
        partitions: Iterable[TopicPartition],
        *,
        timeout_s: float = TIMEOUT_S,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """``timeout_s`` bounds each request, ``patience_s`` how long failed ones are repeated."""
        self._partitions = list(partitions)
        self._timeout_s = timeout_s
        self._patience_s = patience_s
        topics = sorted({tp.topic for tp in self._partitions})
        needed = [grants.Grant(grants.DESCRIBE, grants.TOPIC, topic) for topic in topics]
        grants.check(bootstrap, [grants.Grant(grants.DESCRIBE, grants.GROUP, group), *needed])
        self._consumer = Consumer(
            {
                **Link(bootstrap).settings(),
                "group.id": group,
                "enable.auto.commit": False,
                "log_level": 0,  # what matters is raised, or retried
                "isolation.level": "read_uncommitted",
            }
        )

    def close(self) -> None:
        """Disconnect."""
        self._consumer.close()

    def read(self) -> dict[TopicPartition, Lag]:
        """Read all partitions; raises Transient when the broker does not answer for ``patience_s``.

        A broker that has just started loads its groups first and says so meanwhile.
        """
        deadline = time.monotonic() + self._patience_s
        pause = threading.Event()
        while True:
            try:
                return self._read()
            except KafkaException as error:
                if time.monotonic() > deadline:
                    raise Transient(f"can't read the group's lag: {error}") from error
            pause.wait(PAUSE_S)

    def _read(self) -> dict[TopicPartition, Lag]:
        committed = self._consumer.committed(
            [KafkaTP(*tp) for tp in self._partitions], timeout=self._timeout_s
        )
        lags = {}
        for entry in committed:
            begin, end = self._consumer.get_watermark_offsets(entry, timeout=self._timeout_s)
            offset = entry.offset if entry.offset >= 0 else None
            lags[TopicPartition(entry.topic, entry.partition)] = Lag(begin, end, offset)
        return lags
