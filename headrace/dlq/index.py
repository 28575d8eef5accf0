"""What a dead-letter topic holds: each record that was set aside once, and which were sent back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from confluent_kafka import Message

from headrace.dlq import letter as letters
from headrace.dlq.letter import Letter
from headrace.dlq.place import Place
from headrace.errors import ConfigError
from headrace.topology.model import Topology


@dataclass(frozen=True, slots=True)
class Index:
    """A dead-letter topic's letters in the order of their origins.

    Held in memory without their values: about a kilobyte a letter. ``strangers`` counts records
    that are neither dead letters nor marks.
    """

    letters: tuple[Letter, ...]
    strangers: int = 0

    @classmethod
    def read(cls, messages: Iterable[Message]) -> Index:
        """Read all records of one dead-letter topic, in any order of its partitions."""
        found: dict[Place, Letter] = {}
        redriven: set[Place] = set()
        strangers = 0
        for message in messages:
            if (letter := letters.read(message)) is not None:
                known = found.get(letter.origin)
                found[letter.origin] = letter if known is None else known.joined(letter)
            elif (origin := letters.marked(message)) is not None:
                redriven.add(origin)
            else:
                strangers += 1
        ordered = (found[origin] for origin in sorted(found))
        return cls(
            tuple(replace(o, redriven=True) if o.origin in redriven else o for o in ordered),
            strangers,
        )

    def at(self, origin: Place) -> Letter | None:
        """The letter of the record that stood at ``origin``."""
        return next((letter for letter in self.letters if letter.origin == origin), None)


def topic_of_letters(topology: Topology, topic: str) -> str:
    """The dead-letter topic of a declared topic; raise ConfigError if it is not declared."""
    suffix = topology.dead_letters.suffix
    meant = topic.removesuffix(suffix)
    if topic not in topology.topics and meant in topology.topics:
        raise ConfigError(f"topic {topic!r} is not in topology.yaml; did you mean {meant!r}?")
    topology.topic(topic)
    return topic + suffix
