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
