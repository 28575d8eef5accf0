"""History as frames that agents got: decoded, guarded, ruled, without repeats."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from headrace.archive.history import History
from headrace.block import Block, TopicPartition
from headrace.delivery.duplicates import first_only
from headrace.delivery.seen import Seen
from headrace.frame import Frame
from headrace.private.guard import Guard
from headrace.rules.checked import decoder
from headrace.schemas import registry_of
from headrace.topology.model import Topology


class Frames:
    """What a worker makes of a topic's records before its agents see them."""

    def __init__(self, root: Path, topology: Topology, history: History) -> None:
        """Raises ConfigError where schemas and rules do not fit, Transient."""
        self.registry = registry_of(root, topology)
        self._topology = topology
        self._history = history
        #: Where history begins, by partition, of the topics that were read so far.
        self.begins: dict[TopicPartition, int] = {}

    def of(self, topic: str, ends: Mapping[TopicPartition, int] | None = None) -> Iterator[Frame]:
        """All frames of a topic, by partition in the order of the log.

        To where the log ends now, or before the offsets in ``ends``. Raises what reading history
        raises, and Terminal for a record that fails a rule whose policy is ``stop``.
        """
        declared = self._topology.topics[topic]
        guard = Guard.of(self._topology, topic, self.registry)
        decode = decoder(self.registry, declared.schema_, declared.rules, guard)
        for tp in self._history.partitions(topic):
            seen = None if declared.dedupe is None else Seen(declared.dedupe.window)
            for block in self._blocks(tp, ends):
                frame = decode(block)
                if seen is not None and declared.dedupe is not None:
                    frame = first_only(frame, declared.dedupe.key, seen)
                yield frame

    def _blocks(
        self, tp: TopicPartition, ends: Mapping[TopicPartition, int] | None
    ) -> Iterator[Block]:
        begin = self.begins[tp] = self._history.begin(tp)
        end = self._history.end(tp) if ends is None else ends[tp]
        return self._history.blocks(tp, begin, end - 1)
