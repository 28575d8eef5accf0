"""The simulated services on a real Kafka: commands in, answers out, each when its time has come."""

from __future__ import annotations

import heapq
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from random import Random
from typing import Any

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from headrace.security.link import Link
from loadgen.fulfilment.faults import Faults
from loadgen.fulfilment.orders import Order
from loadgen.fulfilment.services import Services
from loadgen.fulfilment.wire import Wire

POLL_S = 0.05
FLUSH_S = 60.0
BATCH = 1_000
SETTINGS: dict[str, Any] = {
    "enable.idempotence": True,
    "partitioner": "murmur2_random",
    "linger.ms": 5,
    "log_level": 3,
}


class Runner:
    """Orders and services of one project, its topics keyed by order. One process runs at a time:
    what it has done is in its own memory alone."""

    def __init__(
        self,
        root: Path,
        bootstrap: str,
        topics: tuple[str, str],
        services: Services,
        faults: Faults,
        random: Random,
    ) -> None:
        """``topics``: of the events and of the commands."""
        self._topic, commands = topics
        self._services, self._faults, self._random = services, faults, random
        self._events, self._commands = Wire(root, "fulfilment"), Wire(root, "commands")
        link = Link(bootstrap)
        self._producer = Producer({**link.settings(), **SETTINGS})
        self._consumer = Consumer(
            {
                **link.settings(),
                "group.id": f"services-{random.getrandbits(64):016x}",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
            }
        )
        self._consumer.subscribe([commands])
        self._agenda: list[tuple[int, int, bool, Any]] = []
        self._entries = 0
        self.handled = 0

    def run(self, orders: Iterable[Order], done: Callable[[], bool]) -> None:
        """Send orders at their times, and serve, until ``done``."""
        for order in orders:
            for at, event in order.events:
                self._plan(at, False, event)
        while not done():
            for message in self._consumer.consume(BATCH, POLL_S):
                self._take(message)
            self._pass(_now())
            self._producer.poll(0)
        if self._producer.flush(FLUSH_S):
            raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))

    def close(self) -> None:
        """Leave the group."""
        self._consumer.close()

    def _take(self, message: Message) -> None:
        error = message.error()
        if error is not None:
            raise KafkaException(error)
        command = self._commands.read(message.value() or b"")
        for delay in self._faults.deliveries(self._random):
            self._plan(_now() + delay, True, command)

    def _pass(self, now: int) -> None:
        """Do all whose time has come."""
        while self._agenda and self._agenda[0][0] <= now:
            _, _, is_command, what = heapq.heappop(self._agenda)
            if not is_command:
                self._producer.produce(self._topic, self._events.write(what), what["order_id"])
                continue
            self.handled += 1
            answer = self._services.handle(what, now)
            for delay in self._faults.answers(self._random) if answer is not None else ():
                self._plan(now + delay, False, answer)

    def _plan(self, at: int, is_command: bool, what: Any) -> None:
        self._entries += 1
        heapq.heappush(self._agenda, (at, self._entries, is_command, what))


def _now() -> int:
    return time.time_ns() // 1_000_000
