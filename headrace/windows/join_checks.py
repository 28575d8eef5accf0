"""Whether a declared join fits the schemas of the topics that it reads and tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from headrace.schema import AvroSchema
from headrace.schema.types import Array, Record, Union
from headrace.topology.joins import Join, Reference, Side
from headrace.topology.model import Topology
from headrace.topology.tree import Path
from headrace.windows import targets
from headrace.windows.fields import RESULT, SIDE, Source
from headrace.windows.notes import Note, Sources, known_topic
from headrace.windows.plain import PLAIN
from headrace.windows.session_checks import KEYS
from headrace.windows.sides import sources
from headrace.windows.targets import Wanted


def problems(
    declared: Join, topology: Topology, schemas: Mapping[str, AvroSchema]
) -> Iterator[Note]:
    """All that is wrong; ``schemas`` by topic, those that can be read."""
    of = list(_side(("of",), declared.of, topology, schemas))
    with_ = list(_side(("with",), declared.with_, topology, schemas))
    yield from (*of, *with_)
    yield from known_topic(("via",), declared.via, topology.topics)
    yield from known_topic(("into",), declared.into, topology.topics)
    taken: dict[str, str] = {}
    for part, named in (
        ("of", declared.of.topic), ("with", declared.with_.topic), ("via", declared.via),
        ("into", declared.into),
    ):  # fmt: skip
        if part in ("via", "into") and named in taken:
            yield Note((part,), named, f"is {taken[named]!r}, too", "name another topic")
        taken[named] = part
    if declared.with_.deletes is not None and declared.match != "as_of":
        yield Note(
            ("with", "deletes"), declared.with_.deletes, "only a table is deleted from",
            "leave it out, or match as_of",
        )  # fmt: skip
    if sum(one.via == declared.via for one in topology.joins.values()) > 1:
        yield Note(
            ("via",), declared.via, "another join has its sides in it", "give each one of its own"
        )
    yield from _names(declared)
    if declared.via in schemas and declared.via in topology.topics:
        yield from _via(declared, topology, schemas[declared.via])
    if declared.into in schemas and declared.into in topology.topics and not (of or with_):
        wanted = list(_wanted(declared, schemas))
        topic = topology.topics[declared.into]
        yield from targets.check(("into",), declared.into, topic, schemas[declared.into], wanted)


def _side(
    at: Path, side: Side, topology: Topology, schemas: Mapping[str, AvroSchema]
) -> Iterator[Note]:
    yield from known_topic((*at, "topic"), side.topic, topology.topics)
    if side.topic not in topology.topics or side.topic not in schemas:
        return
    found = Sources(schemas[side.topic])
    found.fields |= _fields(schemas[side.topic], side.each)
    if side.each is not None and not any("." in name for name in found.fields):
        yield Note((*at, "each"), side.each, "is not a list of records", "leave it out")
    yield from found.time((*at, "time"), side.time)
    yield from found.condition((*at, "where"), side.where)
    if isinstance(side, Reference):
        yield from found.condition((*at, "deletes"), side.deletes)
    for i, source in enumerate(side.key):
        yield from _typed((*at, "key", i), source, found, KEYS, "choose text, an enum or a number")
    for name, source in side.fields.items():
        place = (*at, "fields", name)
        yield from _typed(place, source, found, PLAIN, "choose a field without parts")


def _typed(
    at: Path, source: str, found: Sources, types: tuple[type[pl.DataType], ...], fix: str
) -> Iterator[Note]:
    wrong = list(found.named(at, source))
    yield from wrong
    if not wrong and not isinstance(found.fields[source].dtype, types):
        yield Note(at, source, f"is {found.fields[source].dtype}", fix)


def _names(declared: Join) -> Iterator[Note]:
    for name in declared.of.fields.keys() & RESULT.keys():
        yield Note(("of", "fields", name), name, "every result has a field of this name", "rename")
    for name in declared.with_.fields.keys() & (RESULT.keys() | declared.of.fields.keys()):
        yield Note(("with", "fields", name), name, "the result has such a field", "rename it")


def _via(declared: Join, topology: Topology, schema: AvroSchema) -> Iterator[Note]:
    at, topic = ("via",), topology.topics[declared.via]
    wanted = [Wanted(name, *source, at) for name, source in SIDE.items()]
    yield from targets.check(at, declared.via, topic, schema, wanted)
    if topic.key != "key":
        yield Note(at, declared.via, f"its key is {topic.key!r}", "key it by 'key'")


def _wanted(declared: Join, schemas: Mapping[str, AvroSchema]) -> Iterator[Wanted]:
    for name, source in RESULT.items():
        yield Wanted(name, *source, ("into",))
    fields = _fields(schemas[declared.of.topic], declared.of.each)
    for name, path in declared.of.fields.items():
        yield Wanted(name, *fields[path], ("of", "fields", name))
    fields = _fields(schemas[declared.with_.topic], declared.with_.each)
    for name, path in declared.with_.fields.items():
        yield Wanted(name, fields[path].dtype, True, ("with", "fields", name))


def _fields(schema: AvroSchema, each: str | None) -> dict[str, Source]:
    """By what a side may name; what a record within has may be null as far as is known."""
    nullable = {column.name: column.nullable for column in schema}
    dtypes = {column.name: column.dtype for column in schema}
    return {
        name: Source(dtype, nullable.get(name, name not in _plain_parts(schema, each)))
        for name, dtype in sources(dtypes, each)
    }


def _plain_parts(schema: AvroSchema, each: str | None) -> set[str]:
    """Fields of the records of ``each`` that always have a value."""
    for field in schema.type.fields:
        if field.name == each and isinstance(field.type, Array):
            record = field.type.items
            if isinstance(record, Record):
                return {
                    f"{each}.{inner.name}"
                    for inner in record.fields
                    if not (isinstance(inner.type, Union) and inner.type.nullable)
                }
    return set()
