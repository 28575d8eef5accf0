"""What declared sessions and joins say themselves: which field feeds which of what they tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from headrace.lineage.graph import Edge, How, Kind, Node
from headrace.rules.expressions import check
from headrace.schema import AvroSchema
from headrace.topology.joins import Join, Reference, Side
from headrace.topology.model import Topology
from headrace.topology.sessions import Sessions

Schemas = Mapping[str, AvroSchema]


def edges(topology: Topology, schemas: Schemas) -> Iterator[Edge]:
    """From the topics that are read to those that are told; ``schemas`` by topic."""
    for sessions in topology.sessions.values():
        yield from _sessions(sessions, schemas)
    for join in topology.joins.values():
        yield from _join(join, schemas)


def _sessions(declared: Sessions, schemas: Schemas) -> Iterator[Edge]:
    def fed(source: str, target: str, how: How = How.VALUE) -> Edge:
        return Edge(_field(declared.reads, source), _field(declared.into, target), how)

    schema = schemas[declared.reads]
    for name in declared.key:
        yield fed(name, name)
        yield fed(name, "session_id")
    for target in ("session_id", "started_at", "ended_at", "length_ms"):
        yield fed(declared.time, target)
    chosen = _named(declared.where, schema)
    for source in (*declared.key, declared.time, *chosen):
        yield fed(source, "events", How.ROWS)
    for name, field in declared.fields.items():
        if field.source is not None:
            yield fed(field.source, name)
        for source in (*chosen, *_named(field.condition, schema)):
            yield fed(source, name, How.ROWS)


def _join(declared: Join, schemas: Schemas) -> Iterator[Edge]:
    into = declared.into
    of, with_ = declared.of, declared.with_
    yield Edge(_field(of.topic, of.time), _field(into, "occurred_at"))
    yield Edge(_field(with_.topic, with_.time), _field(into, "matched_at"))
    for side in (of, with_):
        for name, source in side.fields.items():
            yield Edge(_field(side.topic, source), _field(into, name))
    for side in (of, with_):
        for source in _matching(side, schemas[side.topic]):
            for target in ("matched", "matched_at", *with_.fields):
                yield Edge(_field(side.topic, source), _field(into, target), How.ROWS)


def _matching(side: Side, schema: AvroSchema) -> Iterator[str]:
    """The fields that decide what is matched."""
    yield from (*side.key, side.time)
    yield from _named(side.where, schema)
    if isinstance(side, Reference):
        yield from _named(side.deletes, schema)


def _named(condition: str | None, schema: AvroSchema) -> tuple[str, ...]:
    """The fields that a condition names; it has been checked."""
    if condition is None:
        return ()
    dtypes: dict[str, pl.DataType] = {column.name: column.dtype for column in schema}
    return check(condition, dtypes)[1]


def _field(topic: str, path: str) -> Node:
    return Node(Kind.FIELD, topic, path)
