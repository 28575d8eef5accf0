"""NDJSON to a topic: every line checked, bad ones told by number, the rest sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import KafkaException, Message, Producer

from headrace.block import Header
from headrace.client.events import Event, Events, NotAnEvent, Ready, event_of
from headrace.client.lines import at_hand
from headrace.errors import ConfigError, Transient
from headrace.private.ring import KeyRing
from headrace.security import grants
from headrace.security.link import Link
from headrace.telemetry.events import Sending
from headrace.topology.model import Topology

IN_FLIGHT = 100_000
FLUSH_S = 60.0
TIMEOUT_S = 15.0


@dataclass
class Outcome:
    """What became of the lines. ``positions`` are the next offsets by partition."""

    sent: int = 0
    failed: int = 0
    positions: dict[int, int] = field(default_factory=dict)


class EventProducer:
    """Sends events of one topic, idempotently, to the partition of their key (murmur2).

    Private fields are encrypted before they leave this process. ``ring`` opens the key ring; it is
    called only for a topic that has such fields.
    """

    def __init__(
        self,
        root: Path,
        topology: Topology,
        topic: str,
        bootstrap: str,
        ring: Callable[[], KeyRing],
    ) -> None:
        self._topic = topic
        self._events = Events(root, topology, topic, ring)
        grants.check(bootstrap, [grants.Grant(grants.WRITE, grants.TOPIC, topic)])
        link = Link(bootstrap)
        self._producer = Producer(
            {**producer_settings(link), "queue.buffering.max.messages": 2 * IN_FLIGHT}
        )
        if topic not in link.metadata(self._producer, TIMEOUT_S).topics:
            raise ConfigError(f"topic {topic!r} does not exist yet: run 'headrace apply'")

    def send(self, lines: Iterable[bytes], tell: Callable[[int, str], None]) -> Outcome:
        """Send each line's event; ``tell(line number, what is wrong)`` for each that is not one.

        Returns when the broker has acknowledged all. Line numbers count from 1; empty lines are
        passed over.
        """
        outcome = Outcome()

        def wrong(number: int, why: str) -> None:
            outcome.failed += 1
            tell(number, why)

        passed = 0
        for batch in at_hand(lines):
            read = ((n, _read(line)) for n, line in enumerate(batch, passed + 1))
            given = [(number, event) for number, event in read if event is not None]
            ready = self._events.ready([event for _, event in given])
            for (number, _), record in zip(given, ready, strict=True):
                if isinstance(record, NotAnEvent):
                    wrong(number, str(record))
                else:
                    self._one(number, record, outcome, wrong)
                while len(self._producer) > IN_FLIGHT:
                    self._producer.poll(0.1)
            passed += len(batch)
        if self._producer.flush(FLUSH_S):
            raise Transient(f"the broker did not acknowledge everything within {FLUSH_S:.0f} s")
        return outcome

    def _one(
        self, number: int, record: Ready, outcome: Outcome, wrong: Callable[[int, str], None]
    ) -> None:
        sending = Sending(self._topic)

        def acknowledged(error: Any, message: Message) -> None:
            if error is not None:
                sending.refused(error.name())
                wrong(number, f"the broker refused it: {error}")
                return
            outcome.sent += 1
            sending.stored(message.partition(), message.offset())
            at = message.offset() + 1
            outcome.positions[message.partition()] = max(
                at, outcome.positions.get(message.partition(), 0)
            )

        try:
            self._enqueue(record, sending.headers(), acknowledged)
        except KafkaException as error:
            sending.refused(type(error).__name__)
            wrong(number, f"the producer refused it: {error}")
        self._producer.poll(0)

    def _enqueue(
        self, record: Ready, headers: list[Header], acknowledged: Callable[..., None]
    ) -> None:
        """Hand it to the producer, once its queue has room: large events fill a gigabyte."""
        while True:
            try:
                self._producer.produce(
                    self._topic, record.value, record.key, headers=headers, on_delivery=acknowledged
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                return


def producer_settings(link: Link) -> dict[str, Any]:
    """Of every producer of events: idempotent, acknowledged by all replicas, keys by murmur2."""
    return {
        **link.settings(),
        "enable.idempotence": True,
        "log_level": 3,  # errors only: the rest is raised, or retried
        "acks": "all",
        "compression.type": "lz4",
        "linger.ms": 5,
        "partitioner": "murmur2_random",
        "message.max.bytes": 32 << 20,
    }


def _read(line: bytes) -> Event | NotAnEvent | None:
    """A line's event, or what is wrong with it; None for an empty line."""
    if not line.strip():
        return None
    try:
        return event_of(line)
    except NotAnEvent as error:
        return error
