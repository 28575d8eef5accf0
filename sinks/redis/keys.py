"""Names of keys: the partition in braces puts a partition's data and fence into one hash slot."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Keys:
    """Key names under one prefix."""

    prefix: str

    def data(self, partition: int, keyspace: str, entity: str) -> str:
        """``<prefix>:{<partition>}:<keyspace>:<id>``."""
        return f"{self.prefix}:{{{partition}}}:{keyspace}:{entity}"

    def fence(self, partition: int, topic: str) -> str:
        """The hash that says how far the data of a topic's partition is."""
        return f"{self.prefix}:{{{partition}}}:fence:{topic}"

    def undo(self, partition: int, topic: str) -> str:
        """The hash of states before the block that is applied in part."""
        return f"{self.prefix}:{{{partition}}}:undo:{topic}"

    def outbox(self, partition: int, topic: str) -> str:
        """The list of emitted events that may not be in Kafka yet."""
        return f"{self.prefix}:{{{partition}}}:outbox:{topic}"

    def aside(self, partition: int, topic: str) -> str:
        """The sorted set of the offsets of records that made an agent with state raise."""
        return f"{self.prefix}:{{{partition}}}:aside:{topic}"

    def due(self, partition: int, keyspace: str) -> str:
        """The sorted set of a keyspace's keys by the time at which they are due."""
        return f"{self.prefix}:{{{partition}}}:due:{keyspace}"
