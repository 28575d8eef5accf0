"""A dead-letter topic, read without joining a group: all of it, or some of its records again."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from confluent_kafka import Message

from headrace.client.ranges import RangeReader
from headrace.closing import Closing
from headrace.dlq.place import Place
from headrace.security import grants


class DeadLetterLog(Closing):
    """Reads what is committed; commits nothing."""

    def __init__(self, bootstrap: str, topic: str) -> None:
        """Raises ConfigError if the topic does not exist, Transient if Kafka does not answer."""
        self.topic = topic
        self._reader = RangeReader(bootstrap, topic, grants.LETTERS_GROUP, "dead-letter topic")
        self.partitions = self._reader.partitions

    def close(self) -> None:
        """Disconnect."""
        self._reader.close()

    def records(self) -> Iterator[Message]:
        """All records up to the ends as they are now, in order by partition."""
        return self._reader.records(self._reader.all())

    def pick(self, places: Collection[Place]) -> dict[Place, Message]:
        """The records at ``places``; those that retention has removed are missing.

        What lies between them in a partition is read, too.
        """
        ranges: dict[int, tuple[int, int]] = {}
        for partition, offset in places:
            begin, end = ranges.get(partition, (offset, offset + 1))
            ranges[partition] = min(begin, offset), max(end, offset + 1)
        wanted = set(places)
        found = ((Place(m.partition(), m.offset()), m) for m in self._reader.records(ranges))
        return {place: message for place, message in found if place in wanted}
