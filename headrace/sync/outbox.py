"""The transactional outbox: a service writes its events in the transaction of what they tell of.

A transaction that is rolled back tells nothing, one that commits tells everything, and Kafka may be
away meanwhile. Debezium's outbox router (deploy/connect/outbox.json) takes the rows to the topics.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, Final, Protocol

from headrace.client.events import Events, NotAnEvent
from headrace.errors import ConfigError
from headrace.private.ring import KeyRing
from headrace.topology.model import Topology

#: One row a call; the arrays are of one length.
INSERT: Final = (
    "INSERT INTO outbox (id, topic, key, payload) "
    "SELECT * FROM unnest(%s::text[], %s::text[], %s::text[], %s::bytea[])"
)


class Executes(Protocol):
    """A psycopg connection or cursor."""

    def execute(self, query: Any, params: Any = None, /) -> Any:
        """Run a statement."""


def ddl() -> str:
    """The statements that make the table and its publication."""
    return files("headrace.sync").joinpath("outbox.sql").read_text(encoding="utf-8")


class Outbox:
    """Writes events of the topology's topics. Safe to use from many threads."""

    def __init__(
        self, root: Path, topology: Topology, ring: Callable[[], KeyRing] | None = None
    ) -> None:
        """``ring`` opens the key ring; it is needed for topics with private fields only."""
        self._root = root
        self._topology = topology
        self._ring = ring or _no_ring
        self._topics: dict[str, Events] = {}

    def write(self, connection: Executes, topic: str, *events: Mapping[str, Any]) -> None:
        """Write events into the connection's transaction: they are told if it commits.

        Each is checked against the topic's schema and its private fields are encrypted first:
        raises NotAnEvent for one that does not fit, nothing is written then. Ends no transaction.
        """
        connection.execute(*self.statement(topic, events))

    def statement(
        self, topic: str, events: Sequence[Mapping[str, Any]]
    ) -> tuple[str, tuple[list[Any], ...]]:
        """What ``write`` executes, for whoever must await it: the query and its parameters.

        Raises NotAnEvent, and ConfigError for a topic without ``dedupe``.
        """
        declared = self._topology.topic(topic)
        if declared.dedupe is None:
            raise ConfigError(
                f"topics.{topic}: no dedupe, and what an outbox tells may be told twice: add it"
            )
        ready = self._of(topic).ready([dict(event) for event in events])
        keys, values = [], []
        for record in ready:
            if isinstance(record, NotAnEvent):
                raise record
            keys.append(record.key.decode())
            values.append(record.value)
        ids = [event[declared.dedupe.key] for event in events]
        return INSERT, (ids, [topic] * len(ids), keys, values)

    def _of(self, topic: str) -> Events:
        made = self._topics.get(topic)
        if made is None:
            made = self._topics[topic] = Events(self._root, self._topology, topic, self._ring)
        return made


def _no_ring() -> KeyRing:
    raise ConfigError("the topic has private fields: give the outbox a key ring to encrypt with")
