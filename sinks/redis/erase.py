"""Deletes a person's keys: those of keyspaces that say by which field their ids are persons'."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from headrace.private.erasure import Found
from headrace.topology.model import Topology
from sinks.redis.blocking import Blocking
from sinks.redis.keys import Keys

BATCH = 1_000


class RedisEraser:
    """Implements ``headrace.private.erasure.Eraser``.

    An entity may have a part in any partition (and one that moved may have left one behind), so
    its key is deleted, and looked for, in all of them. Fences stay: what is applied stays so.
    """

    def __init__(self, topology: Topology, url: str) -> None:
        self._redis = Blocking(url)
        self._keys = Keys(topology.redis.prefix)
        self._fields = {
            name: keyspace.person
            for name, keyspace in topology.redis.keyspaces.items()
            if keyspace.person is not None
        }
        agents = topology.agents.values()
        self._timed = {agent.state.keyspace for agent in agents if agent.state and agent.timer}
        self._partitions = max(topology.partitions(topic) for topic in topology.topics)

    def ids(self, person: str) -> dict[str, set[str]]:
        """See ``Eraser``: keys know no ids but their own."""
        return {}

    def erase(self, person: str, ids: Mapping[str, set[str]]) -> int:
        """See ``Eraser``."""
        for keyspace in self._timed & self._fields.keys():
            self._forget_timers(keyspace, sorted(ids.get(self._fields[keyspace], ())))
        return sum(
            self._ask("delete a person's keys", "UNLINK", names)
            for keyspace in self._fields
            for names in self._names(keyspace, ids)
        )

    def _forget_timers(self, keyspace: str, ids: Sequence[str]) -> None:
        async def ask(client: Any) -> None:
            pipeline = client.pipeline(transaction=False)
            for partition in range(self._partitions):
                for at in range(0, len(ids), BATCH):
                    pipeline.zrem(self._keys.due(partition, keyspace), *ids[at : at + BATCH])
            await pipeline.execute()

        self._redis.run("delete a person's timers", ask)

    def find(self, person: str, ids: Mapping[str, set[str]]) -> Sequence[Found]:
        """See ``Eraser``."""
        found = []
        for keyspace in self._fields:
            searched = left = 0
            for names in self._names(keyspace, ids):
                searched += len(names)
                left += self._ask("search a person's keys", "EXISTS", names)
            found.append(Found(f"redis {keyspace}", searched, left, "keys"))
        return found

    def _names(self, keyspace: str, ids: Mapping[str, set[str]]) -> Iterator[list[str]]:
        """Names of the keys of all ids in all partitions, in batches."""
        names = [
            self._keys.data(partition, keyspace, id_)
            for id_ in sorted(ids.get(self._fields[keyspace], ()))
            for partition in range(self._partitions)
        ]
        for at in range(0, len(names), BATCH):
            yield names[at : at + BATCH]

    def _ask(self, what: str, command: str, names: Sequence[str]) -> int:
        async def ask(client: Any) -> int:
            pipeline = client.pipeline(transaction=False)
            for name in names:
                pipeline.execute_command(command, name)
            return sum(await pipeline.execute())

        return self._redis.run(what, ask)

    def close(self) -> None:
        """See ``Eraser``."""
        self._redis.close()
