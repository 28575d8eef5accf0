"""What Kafka knows of one event: its record, repeats, dead letter, and where the workers are."""

from __future__ import annotations

from collections.abc import Iterator

from confluent_kafka import Message

from headrace.block import TopicPartition
from headrace.client.blocks import block_of
from headrace.client.ranges import RangeReader
from headrace.dlq.index import Index
from headrace.dlq.letter import Letter
from headrace.dlq.log import DeadLetterLog
from headrace.dlq.place import Place
from headrace.lag import Lag, LagReader
from headrace.schema import Codec
from headrace.security import grants
from headrace.topology.model import Topology

#: Records searched from the end of a topic backwards, and those of a first look.
MOST, FIRST_LOOK = 200_000, 5_000
GROWTH = 8


class EventLog:
    """Reads one topic. Joins no group. Raises ConfigError or Transient."""

    def __init__(
        self, topology: Topology, topic: str, field: str, codec: Codec, kafka: str
    ) -> None:
        """``field`` has the events' ids; ``codec`` decodes at least that one."""
        self._topology = topology
        self._topic = topic
        self._field = field
        self._codec = codec
        self._kafka = kafka
        self._reader = RangeReader(kafka, topic, grants.TAP_GROUP)

    def find(self, event_id: str) -> Place | None:
        """The first record with this id among the last ``MOST`` of the topic."""
        open_ = self._reader.all()
        look, left = FIRST_LOOK, MOST
        while left > 0 and open_:
            share = max(1, min(look, left) // len(open_))
            ranges = {p: (max(begin, end - share), end) for p, (begin, end) in open_.items()}
            found = [Place(m.partition(), m.offset()) for m in self._with(event_id, ranges)]
            if found:
                return min(found, key=lambda place: place.offset)
            left -= sum(end - begin for begin, end in ranges.values())
            look *= GROWTH
            open_ = {
                p: (begin, ranges[p][0]) for p, (begin, _) in open_.items() if begin < ranges[p][0]
            }
        return None

    def record(self, place: Place) -> Message | None:
        """The record at a place; None when the log has it no more."""
        ranges = {place.partition: (place.offset, place.offset + 1)}
        return next(self._reader.records(ranges), None)

    def repeats(self, event_id: str, place: Place, window: int) -> list[int]:
        """Offsets of records with this id in the ``window`` after a place."""
        end = self._reader.all()[place.partition][1]
        after = {place.partition: (place.offset + 1, min(end, place.offset + 1 + window))}
        return [message.offset() for message in self._with(event_id, after)]

    def _with(self, event_id: str, ranges: dict[int, tuple[int, int]]) -> Iterator[Message]:
        """The records of ranges that have this id.

        An id's bytes stand in its record's value as they are: what lacks them is not decoded.
        """
        needle = event_id.encode()
        for batch in self._reader.batches(ranges):
            likely = [m for m in batch if needle in (m.value() or b"")]
            if likely:
                df = self._codec.decode(block_of(likely)).df
                same = set(df.filter(df[self._field] == event_id)["_offset"].to_list())
                yield from (m for m in likely if m.offset() in same)

    def workers(self, place: Place) -> Lag:
        """How far the workers are in the place's partition."""
        tp = TopicPartition(self._topic, place.partition)
        with LagReader(self._kafka, self._topology.name, [tp]) as reader:
            return reader.read()[tp]

    def letter(self, origin: Place) -> Letter | None:
        """The dead letter of the record at a place."""
        name = self._topic + self._topology.dead_letters.suffix
        with DeadLetterLog(self._kafka, name) as letters:
            return Index.read(letters.records()).at(origin)

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()
