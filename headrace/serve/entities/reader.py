"""Finds the keys of entities, reads them all in one round trip, and puts their parts together."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

from headrace.clock import Clock
from headrace.murmur import partition_of
from headrace.serve.context import Context
from headrace.serve.entities import decode
from headrace.serve.entities.client import Command, Keys

#: Members of a sorted set that an answer has unless it is asked for page by page.
MEMBERS = 50

#: Entities decoded before other requests get their turn.
TURN = 50

#: By keyspace: fields of a hash, or members of a sorted set with their scores.
Held = dict[str, Any]


class Entities:
    """Reads keyspaces by id, whichever partitions their parts are in."""

    def __init__(self, context: Context, keys: Keys, clock: Clock) -> None:
        self._keyspaces = context.topology.redis.keyspaces
        self._prefix = context.topology.redis.prefix
        self._keys = keys
        self._clock = clock
        self._partitions = {name: _partitions(context, name) for name in self._keyspaces}
        self._hashes = {name: decode.Hashes(k) for name, k in self._keyspaces.items()}
        self._longer = {
            name: [other for other in self._keyspaces if other.startswith(f"{name}:")]
            for name in self._keyspaces
        }
        self._topics = sorted(
            {
                topic
                for agent in context.topology.agents.values()
                if agent.writes.keyspaces
                for topic in agent.reads
            }
        )
        self._fences = [
            (topic, partition)
            for topic in self._topics
            for partition in range(context.topology.partitions(topic))
        ]

    async def fences(self) -> dict[str, Sequence[int]]:
        """The next offset by topic and partition, as the sink's fences say; raises Transient."""
        answers = await self._keys.ask(
            [("HGET", f"{self._prefix}:{{{p}}}:fence:{topic}", "done") for topic, p in self._fences]
        )
        found: dict[str, list[int]] = {}
        for (topic, _), done in zip(self._fences, answers, strict=True):
            found.setdefault(topic, []).append(0 if done is None else int(done) + 1)
        return dict(found)

    async def read(self, keyspaces: Sequence[str], ids: Sequence[str]) -> list[Held]:
        """What is held of each id; an empty value where nothing is. One round trip for all.

        Of sorted sets the MEMBERS with the greatest scores; raises Transient.
        """
        commands: list[Command] = []
        counts = []
        for entity in ids:
            for keyspace in keyspaces:
                asked = self._commands(keyspace, entity)
                counts.append(len(asked))
                commands += asked
        answers = await self._keys.ask(commands)
        now_ms, at, place = self._clock.now_ms(), 0, 0
        found: list[Held] = []
        for number in range(len(ids)):
            if number % TURN == TURN - 1:
                await asyncio.sleep(0)  # a thousand take a tenth of a second: let others in between
            held: Held = {}
            for keyspace in keyspaces:
                parts = answers[at : at + counts[place]]
                at, place = at + counts[place], place + 1
                held[keyspace] = self._decoded(keyspace, parts, now_ms)
            found.append(held)
        return found

    async def members(self, keyspace: str, entity: str) -> list[tuple[str, float]]:
        """All members of a sorted set, the greatest scores first; raises Transient."""
        answers = await self._keys.ask(self._commands(keyspace, entity, whole=True))
        return decode.members(self._keyspaces[keyspace], answers, self._clock.now_ms())

    def _commands(self, keyspace: str, entity: str, whole: bool = False) -> list[Command]:
        declared, count = self._keyspaces[keyspace], self._partitions[keyspace]
        rest = f"{keyspace}:{entity}"
        if any(rest.startswith(f"{longer}:") for longer in self._longer[keyspace]):
            return []  # such a key is the longer keyspace's, of another id
        places = [partition_of(entity.encode(), count)] if declared.located else range(count)
        names = [f"{self._prefix}:{{{p}}}:{keyspace}:{entity}" for p in places]
        if declared.type == "hash":
            return [("HGETALL", name) for name in names]
        # Parts can only be cut after they are merged, unless there is one.
        last = MEMBERS - 1 if declared.located and not whole else -1
        return [("ZRANGE", name, 0, last, "REV", "WITHSCORES") for name in names]

    def _decoded(self, keyspace: str, parts: Sequence[Any], now_ms: int) -> Any:
        declared = self._keyspaces[keyspace]
        if declared.type == "hash":
            return self._hashes[keyspace].fields(parts, now_ms)
        return decode.members(declared, parts, now_ms)[:MEMBERS]


def _partitions(context: Context, keyspace: str) -> int:
    """How many partitions the topics of a keyspace have; the most, where they differ."""
    topology = context.topology
    return max(
        (
            topology.partitions(topic)
            for agent in topology.agents.values()
            if keyspace in agent.writes.keyspaces
            for topic in agent.reads
        ),
        default=topology.defaults.partitions,
    )
