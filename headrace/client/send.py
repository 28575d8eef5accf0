"""NDJSON to a topic: every line checked, bad ones told by number, the rest sent."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
from confluent_kafka import KafkaException, Message, Producer

from headrace.errors import ConfigError, Transient
from headrace.schema import EncodeError, Encoder, Registry
from headrace.security import grants
from headrace.security.link import Link
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
    """Sends events of one topic, idempotently, to the partition of their key (murmur2)."""

    def __init__(self, root: Path, topology: Topology, topic: str, bootstrap: str) -> None:
        declared = topology.topics.get(topic)
        if declared is None:
            raise ConfigError(
                f"topic {topic!r} is not in topology.yaml; there are: {', '.join(topology.topics)}"
            )
        self._topic = topic
        self._key = declared.key
        self._encoder = Encoder(Registry.load(root), declared.schema_)
        grants.check(bootstrap, [grants.Grant(grants.WRITE, grants.TOPIC, topic)])
        link = Link(bootstrap)
        self._producer = Producer(
            {
                **link.settings(),
                "enable.idempotence": True,
                "log_level": 3,  # errors only: the rest is raised, or retried
                "acks": "all",
                "compression.type": "lz4",
                "linger.ms": 5,
                "partitioner": "murmur2_random",
                "message.max.bytes": 32 << 20,
                "queue.buffering.max.messages": 2 * IN_FLIGHT,
            }
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

        for number, line in enumerate(lines, 1):
            if line.strip():
                self._one(number, line, outcome, wrong)
            while len(self._producer) > IN_FLIGHT:
                self._producer.poll(0.1)
        if self._producer.flush(FLUSH_S):
            raise Transient(f"the broker did not acknowledge everything within {FLUSH_S:.0f} s")
        return outcome

    def _one(
        self, number: int, line: bytes, outcome: Outcome, wrong: Callable[[int, str], None]
    ) -> None:
        try:
            record = _record(line)
            value = self._encoder.encode(record)
        except (orjson.JSONDecodeError, _NotAnObject) as error:
            wrong(number, f"not a JSON object: {error}")
            return
        except EncodeError as error:
            wrong(number, str(error))
            return

        def acknowledged(error: Any, message: Message) -> None:
            if error is not None:
                wrong(number, f"the broker refused it: {error}")
                return
            outcome.sent += 1
            at = message.offset() + 1
            outcome.positions[message.partition()] = max(
                at, outcome.positions.get(message.partition(), 0)
            )

        try:
            self._producer.produce(
                self._topic, value, str(record[self._key]).encode(), on_delivery=acknowledged
            )
        except KafkaException as error:
            wrong(number, f"the producer refused it: {error}")
        self._producer.poll(0)


class _NotAnObject(ValueError):
    """The line is JSON, but not an object."""


def _record(line: bytes) -> dict[str, Any]:
    value = orjson.loads(line)
    if not isinstance(value, dict):
        raise _NotAnObject(f"it is {value!r:.60}")
    return value
