"""Answers about entities: waits for a position, reads it, then the entities."""

from __future__ import annotations

from collections.abc import Sequence

from headrace.serve.answers import Answer, answer
from headrace.serve.cache import Cache
from headrace.serve.entities import pages
from headrace.serve.entities.reader import Entities
from headrace.serve.positions import AtLeast, Positions, parse_at_least
from headrace.serve.problems import Problem
from headrace.topology.model import Topology
from headrace.topology.serving import ReadModel


class Lookups:
    """Features and views by id. All raise Problem."""

    def __init__(
        self, topology: Topology, entities: Entities, positions: Positions, cache: Cache
    ) -> None:
        self._topology = topology
        self._entities = entities
        self._positions = positions
        self._cache = cache

    async def features(self, entity: str, at_least: Sequence[str], wait_ms: int) -> Answer:
        """The features of one person; they are always read anew."""
        model = self._features()
        topics, _ = await self._wait(model, at_least, wait_ms)
        position = await self._positions.of_keys(topics)
        (held,) = await self._entities.read(model.keyspaces, [entity])
        return answer({"id": entity, "keyspaces": held}, position)

    async def batch(self, ids: Sequence[str], at_least: Sequence[str], wait_ms: int) -> Answer:
        """The features of many, in the order of their ids."""
        model = self._features()
        topics, _ = await self._wait(model, at_least, wait_ms)
        position = await self._positions.of_keys(topics)
        found = await self._entities.read(model.keyspaces, ids)
        features = [
            {"id": entity, "keyspaces": held} for entity, held in zip(ids, found, strict=True)
        ]
        return answer({"features": features}, position)

    async def view(self, name: str, entity: str, at_least: Sequence[str], wait_ms: int) -> Answer:
        """One entity of a view; a Problem where nothing is held of it."""
        model = self._view(name)
        topics, records = await self._wait(model, at_least, wait_ms)

        async def ask() -> Answer:
            position = await self._positions.of_keys(topics)
            (held,) = await self._entities.read(model.keyspaces, [entity])
            if not any(held.values()):
                detail = f"nothing is held of {name} {entity!r}"
                raise Problem(404, "nothing-held", detail, position=position)
            return answer({"view": name, "id": entity, "keyspaces": held}, position)

        return await self._cache.get(
            ("view", name, entity),
            ask,
            lambda: self._positions.of_keys(topics),
            lambda position: all(record.reached(position) for record in records),
        )

    async def members(
        self, name: str, entity: str, keyspace: str, limit: int, cursor: str | None
    ) -> Answer:
        """A page of a sorted set, by falling scores."""
        model = self._view(name)
        sets = [k for k in model.keyspaces if self._topology.redis.keyspaces[k].type == "zset"]
        if keyspace not in sets:
            shown = ", ".join(sets) or "none"
            detail = f"view {name!r} has no sorted set {keyspace!r}; there are: {shown}"
            raise Problem(404, "unknown-keyspace", detail)
        after = None if cursor is None else pages.parse(cursor)
        topics = self._positions.topics_of_keyspaces([keyspace])

        async def ask() -> Answer:
            position = await self._positions.of_keys(topics)
            found = await self._entities.members(keyspace, entity)
            page, behind = pages.cut(found, after, limit)
            head = {"view": name, "id": entity, "keyspace": keyspace}
            return answer({**head, "members": page, "next": behind}, position)

        return await self._cache.get(
            ("members", name, entity, keyspace, limit, cursor),
            ask,
            lambda: self._positions.of_keys(topics),
        )

    async def _wait(
        self, model: ReadModel, at_least: Sequence[str], wait_ms: int
    ) -> tuple[tuple[str, ...], tuple[AtLeast, ...]]:
        topics = self._positions.topics_of_keyspaces(model.keyspaces)
        if not at_least:
            return topics, ()
        counts = {topic: self._topology.partitions(topic) for topic in topics}
        records = parse_at_least(at_least, counts)
        await self._positions.wait(self._positions.of_keys, records, wait_ms)
        return topics, records

    def _features(self) -> ReadModel:
        model = self._topology.serve.features
        if model is None:
            raise Problem(404, "no-features", "topology.yaml declares no serve.features")
        return model

    def _view(self, name: str) -> ReadModel:
        model = self._topology.serve.views.get(name)
        if model is None:
            shown = ", ".join(self._topology.serve.views) or "none"
            raise Problem(404, "unknown-view", f"there is no view {name!r}; there are: {shown}")
        return model
