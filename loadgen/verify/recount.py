"""Reads the whole log and counts it again, on all cores."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as KafkaTP

from headrace.block import TopicPartition
from headrace.errors import Transient
from headrace.lag import Lag
from headrace.security import grants
from headrace.security.link import Link
from headrace.topology.model import Topology
from loadgen.verify.events import Decoder, Undecodable
from loadgen.verify.truth import Truth

#: Records by topic: (partition, offset) of each.
Places = dict[str, set[tuple[int, int]]]

BATCH = 5_000
POLL_S = 0.2
PATIENCE_S = 30.0


def read_log(bootstrap: str, spans: Sequence[tuple[TopicPartition, int, int]]) -> Iterator[Message]:
    """All committed records of ``[begin, end)`` of some partitions, in order by partition."""
    consumer = Consumer(
        {
            **Link(bootstrap).settings(),
            "group.id": grants.RECOUNT_GROUP,  # never joined: partitions are assigned by hand
            "enable.auto.commit": False,
            "log_level": 3,  # errors only: the rest is raised, or retried
            "enable.partition.eof": True,
            "isolation.level": "read_committed",
            "fetch.max.bytes": 64 << 20,
        }
    )
    open_ = {tp: end for tp, begin, end in spans if begin < end}
    try:
        consumer.assign([KafkaTP(*tp, begin) for tp, begin, end in spans if begin < end])
        heard = time.monotonic()
        while open_:
            messages = consumer.consume(BATCH, POLL_S)
            if messages:
                heard = time.monotonic()
            elif time.monotonic() - heard > PATIENCE_S:
                raise Transient(f"the log did not answer for {PATIENCE_S:.0f} s: {sorted(open_)}")
            for message in messages:
                tp = TopicPartition(message.topic(), message.partition())
                error = message.error()
                if error is not None:
                    if error.code() != KafkaError._PARTITION_EOF:
                        raise Transient(f"{tp}: {error}")
                    open_.pop(tp, None)
                elif tp in open_:
                    if message.offset() < open_[tp]:
                        yield message
                    if message.offset() + 1 >= open_[tp]:
                        del open_[tp]
    finally:
        consumer.close()


class Repeats:
    """Which records a topic's ``dedupe`` drops: a dictionary of ids, as simple as can be."""

    def __init__(self, topology: Topology) -> None:
        self._dedupe = {name: topic.dedupe for name, topic in topology.topics.items()}
        self._at: dict[tuple[str, int], dict[str, int]] = defaultdict(dict)

    def has(
        self,
        topic: str,
        partition: int,
        offset: int,
        event: Mapping[str, Any],
        redriven: bool = False,
    ) -> bool:
        """Whether the id stood in the window before; told every event of a partition in order.

        What was sent back from the dead letters (``redriven``) is no repeat, but remembered.
        """
        dedupe = self._dedupe[topic]
        if dedupe is None:
            return False
        held, name = self._at[topic, partition], event[dedupe.key]
        before = held.get(name)
        held[name] = offset
        return not redriven and before is not None and before >= offset - dedupe.window


def count(
    root: Path,
    bootstrap: str,
    topology: Topology,
    spans: Sequence[tuple[TopicPartition, int, int]],
    ruled_out: Places,
) -> Truth:
    """Count some partitions."""
    decoder, truth, repeats = Decoder(root), Truth(), Repeats(topology)
    for message in read_log(bootstrap, spans):
        value = message.value()
        topic, partition, offset = message.topic(), message.partition(), message.offset()
        if value is None:
            truth.tombstones += 1
            continue
        try:
            event = decoder.decode(value)
        except Undecodable:
            truth.bad[topic].add((partition, offset))
            continue
        if (partition, offset) in ruled_out[topic]:
            truth.ruled_out += 1
        elif repeats.has(topic, partition, offset, event, _redriven(message)):
            truth.repeats += 1
        else:
            truth.add(topic, partition, offset, event)
    return truth


def _redriven(message: Message) -> bool:
    return any(name == "headrace.redriven" for name, _ in message.headers() or ())


def recount(
    root: Path,
    bootstrap: str,
    topology: Topology,
    lags: dict[TopicPartition, Lag],
    ruled_out: Places,
) -> Truth:
    """Count all topics up to the ends given, in one process a core.

    Whether a record fails a rule is not decided again here: ``ruled_out`` are those that the dead
    letters say a rule set aside. A good event among them is missing when compared with the ledger.
    """
    spans = [(tp, lag.begin, lag.end) for tp, lag in lags.items() if tp.topic in topology.topics]
    shares: list[list[tuple[TopicPartition, int, int]]] = [[] for _ in range(os.cpu_count() or 1)]
    for span in sorted(spans, key=lambda s: s[1] - s[2]):  # the longest first, to the least loaded
        min(shares, key=lambda share: sum(e - b for _, b, e in share)).append(span)
    total = Truth()
    with ProcessPoolExecutor(len(shares), get_context("spawn")) as pool:
        jobs = [(root, bootstrap, topology, share, ruled_out) for share in shares]
        for part in pool.map(count, *zip(*jobs, strict=True)):
            total.merge(part)
    return total


def letters(
    bootstrap: str, topology: Topology, lags: dict[TopicPartition, Lag]
) -> tuple[Places, Places]:
    """Where the dead letters came from, each once: all, and those that a rule set aside."""
    found: Places = {topic: set() for topic in topology.topics}
    ruled_out: Places = {topic: set() for topic in topology.topics}
    spans = [(tp, lag.begin, lag.end) for tp, lag in lags.items()]
    for message in read_log(bootstrap, spans):
        headers = dict(message.headers() or ())
        if "headrace.offset" not in headers:
            continue  # the mark of a redrive
        place = (int(headers["headrace.partition"]), int(headers["headrace.offset"]))
        topic = headers["headrace.topic"].decode()
        found[topic].add(place)
        if headers["headrace.step"] == b"rule":
            ruled_out[topic].add(place)
    return found, ruled_out
