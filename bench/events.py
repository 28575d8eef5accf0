"""The bench's topics: seeded payments of the shop, and the answers every contestant must give.

Columns are drawn first, and the answers are counted on them; the Avro values are written from the
same columns by the load generator's writer, so that no contestant's decoder has a part in it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

from bench import contract
from bench.contract import MINUTE_MS, PARTITIONS
from loadgen import vocabulary
from loadgen.avro import Writer
from loadgen.murmur import partitions_of
from loadgen.text import CROCKFORD, Dictionary, numbered, traces

START_MS = 1_790_000_000_000
PER_MS = 20  # events by event time
LATE_MS = 2_000  # they are out of order by at most this
CHUNK = 100_000
HEADER = b"\x00\x00\x00\x00\x04"  # the id of payments in schemas/registry.json
TYPES = ("authorised", "captured", "failed", "refunded")
PRODUCERS = Dictionary(["checkout", "billing"])
DIGITS = 7  # of a user's number
WIDTH = 260

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Topic:
    """A topic to fill. ``key`` is ``type``, spread evenly, or ``user``, by Kafka's partitioner."""

    name: str
    key: str
    users: int
    partitions: int = PARTITIONS


@dataclass(frozen=True, eq=False)
class Columns:
    """Events by column: event time in ms, number of the user, index of the type, cents."""

    at: Ints
    user: Ints
    kind: Ints
    cents: Ints


def chunks(count: int, users: int, seed: int = 1) -> Iterator[tuple[Columns, list[bytes]]]:
    """The first ``count`` events, and their framed values. A shorter count gives a prefix."""
    rng = np.random.default_rng(seed)
    for first in range(0, count, CHUNK):
        drawn = _draw(rng, first, users)  # whole, so that a prefix is one
        n = min(CHUNK, count - first)
        columns = Columns(drawn.at[:n], drawn.user[:n], drawn.kind[:n], drawn.cents[:n])
        yield columns, _values(drawn, np.random.default_rng((seed, first)))[:n]


def _draw(rng: np.random.Generator, first: int, users: int) -> Columns:
    seq = np.arange(first, first + CHUNK)
    return Columns(
        START_MS + seq // PER_MS - rng.integers(0, LATE_MS, CHUNK),
        rng.integers(0, users, CHUNK),
        rng.integers(0, len(TYPES), CHUNK),
        rng.integers(100, 100_000, CHUNK),
    )


def _values(columns: Columns, rng: np.random.Generator) -> list[bytes]:
    """Written in the schema's order; what no answer needs is drawn here."""
    n = len(columns.at)
    sampled, failed = rng.random(n) < 0.5, columns.kind == TYPES.index("failed")
    w = Writer(n, WIDTH)
    w.constant(HEADER)
    w.fixed_text(CROCKFORD[rng.integers(0, 32, (n, 26))])
    w.integer(columns.at, 6)
    w.text(PRODUCERS, rng.integers(0, len(PRODUCERS), n))
    w.small(np.ones(n, np.int64))
    w.optional(sampled)
    w.fixed_text(traces(rng.integers(0, 1 << 63, n).astype(np.uint64)), sampled)
    w.fixed_text(numbered("u", columns.user, DIGITS))
    w.small(rng.integers(0, 6, n))
    w.small(columns.kind)
    w.fixed_text(numbered("pay", rng.integers(0, 10**8, n), 11))
    w.fixed_text(numbered("ord", rng.integers(0, 10**8, n), 10))
    w.small(rng.integers(0, 5, n))
    w.decimal(columns.cents)
    w.small(rng.integers(0, 5, n))
    w.optional(failed)
    w.text(vocabulary.FAILURES, rng.integers(0, len(vocabulary.FAILURES), n), failed)
    return w.records()


class Truth:
    """Counts the answers of all jobs, by integers as NumPy adds them up."""

    def __init__(self, users: int) -> None:
        self._events = 0
        self._cents = 0
        self._minutes: Counter[tuple[int, str]] = Counter()
        self._minute_cents: Counter[tuple[int, str]] = Counter()
        self._users = users
        self._groups: dict[int, tuple[Ints, Ints]] = {}  # by minute: events and cents by user

    def add(self, columns: Columns) -> None:
        """Count more events."""
        self._events += len(columns.at)
        self._cents += int(columns.cents.sum())
        minutes = columns.at // MINUTE_MS * MINUTE_MS
        for minute in np.unique(minutes).tolist():
            here = minutes == minute
            users, cents = columns.user[here], columns.cents[here]
            for code, kind in enumerate(TYPES):
                of_kind = columns.kind[here] == code
                self._minutes[minute, kind] += int(of_kind.sum())
                self._minute_cents[minute, kind] += int(cents[of_kind].sum())
            zeros = np.zeros(self._users, np.int64)
            held = self._groups.setdefault(minute, (zeros, zeros.copy()))
            np.add.at(held[0], users, 1)
            np.add.at(held[1], users, cents)

    def answer(self, job: str) -> Any:
        """What ``job`` must answer."""
        if job == "consume":
            return contract.consumed(self._events)
        if job == "decode":
            return contract.decoded(self._events, self._cents)
        if job == "minutes":
            return contract.minutes(
                (minute, kind, n, self._minute_cents[minute, kind])
                for (minute, kind), n in self._minutes.items()
                if n
            )
        return contract.users(self._user_groups())

    def _user_groups(self) -> Iterator[tuple[int, int, int, int]]:
        for minute, (events, cents) in self._groups.items():
            seen = np.flatnonzero(events)
            for user, n, total in zip(
                seen.tolist(), events[seen].tolist(), cents[seen].tolist(), strict=True
            ):
                yield minute, user, n, total


@dataclass(frozen=True)
class Filled:
    """A topic with ``events`` records, their mean size in bytes, and the truth about them."""

    topic: Topic
    events: int
    value_bytes: float
    truth: Truth


def fill(bootstrap: str, topic: Topic, count: int) -> Filled:
    """Make the topic, and one for dead letters, and send the events. Raises RuntimeError when the
    broker does not take all."""
    admin = AdminClient({"bootstrap.servers": bootstrap})
    for name in (topic.name, f"{topic.name}.dlq"):
        admin.create_topics([NewTopic(name, topic.partitions, 1)])[name].result(30)
    producer = Producer(
        {
            "bootstrap.servers": bootstrap,
            "compression.type": "lz4",
            "linger.ms": 20,
            "batch.size": 1_000_000,
            "queue.buffering.max.messages": 500_000,
        }
    )
    truth, size = Truth(topic.users), 0
    for columns, values in chunks(count, topic.users):
        truth.add(columns)
        size += sum(map(len, values))
        keys, partitions = _placed(topic, columns)
        for key, value, partition in zip(keys, values, partitions, strict=True):
            producer.produce(topic.name, value, key, partition)
        while len(producer) > 2 * CHUNK:
            producer.poll(0.1)
    if producer.flush(60):
        raise RuntimeError(f"the broker did not take all events of {topic.name}")
    return Filled(topic, count, size / count, truth)


def _placed(topic: Topic, columns: Columns) -> tuple[list[bytes], list[int]]:
    """Keys and partitions of events."""
    if topic.key == "type":
        keys = [TYPES[code].encode() for code in columns.kind.tolist()]
        return keys, (np.arange(len(keys)) % topic.partitions).tolist()
    matrix = numbered("u", columns.user, DIGITS)
    joined, width = matrix.tobytes(), matrix.shape[1]
    keys = [joined[i : i + width] for i in range(0, len(joined), width)]
    return keys, partitions_of(keys, topic.partitions).tolist()
