"""Whether declared sessions fit the schemas of the topics that they read and tell."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import polars as pl

from headrace.schema import AvroSchema
from headrace.topology.model import Topology
from headrace.topology.sessions import Aggregate, Sessions
from headrace.windows import targets
from headrace.windows.fields import SESSION, Source
from headrace.windows.notes import Note, Sources, known_topic
from headrace.windows.plain import PLAIN
from headrace.windows.targets import Wanted

KEYS = (pl.String, pl.Enum, pl.Boolean, pl.Int32, pl.Int64)
NUMBERS = (pl.Int32, pl.Int64, pl.Decimal)
ORDERED = (*NUMBERS, pl.Date, pl.Datetime)
_FITTING = {
    "sum": (NUMBERS, "integers and decimals: sums of floats depend on their order"),
    "min": (ORDERED, "integers, decimals and times"),
    "max": (ORDERED, "integers, decimals and times"),
}
#: A sum of a block is one of 128 bits; 65,536 values of so many digits stay within.
MAX_PRECISION = 30


def problems(
    declared: Sessions, topology: Topology, schemas: Mapping[str, AvroSchema]
) -> Iterator[Note]:
    """All that is wrong; ``schemas`` by topic, those that can be read."""
    yield from known_topic(("reads",), declared.reads, topology.topics)
    yield from known_topic(("into",), declared.into, topology.topics)
    if declared.reads == declared.into:
        yield Note(("into",), declared.into, "it reads this topic", "name another one")
    schema = schemas.get(declared.reads)
    if schema is None or declared.reads not in topology.topics:
        return
    sources = Sources(schema)
    wrong = [*_key(declared, topology, sources), *sources.time(("time",), declared.time)]
    wrong += sources.condition(("where",), declared.where)
    for name, field in declared.fields.items():
        wrong += _field(name, field, declared, sources)
    yield from wrong
    target = schemas.get(declared.into)
    if not wrong and target is not None and declared.into in topology.topics:
        topic = topology.topics[declared.into]
        wanted = list(_wanted(declared, sources.fields))
        yield from targets.check(("into",), declared.into, topic, target, wanted)


def _key(declared: Sessions, topology: Topology, sources: Sources) -> Iterator[Note]:
    key = topology.topics[declared.reads].key
    if declared.key[0] != key:
        yield Note(
            ("key", 0), declared.key[0], f"the key of topic {declared.reads!r} is {key!r}: events "
            "of one session would lie in several partitions",
            f"begin with {key!r}",
        )  # fmt: skip
    for i, name in enumerate(declared.key):
        wrong = list(sources.named(("key", i), name))
        yield from wrong
        if name in declared.key[:i] or name in SESSION:
            yield Note(("key", i), name, "the name is taken", "leave it out")
        elif not wrong and not isinstance(sources.fields[name].dtype, KEYS):
            yield Note(
                ("key", i), name, f"is {sources.fields[name].dtype}",
                "choose text, an enum, a boolean or an integer",
            )  # fmt: skip


def _field(name: str, field: Aggregate, declared: Sessions, sources: Sources) -> Iterator[Note]:
    at = ("fields", name)
    if name in SESSION or name in declared.key:
        yield Note(at, name, "every session has a field of this name", "rename it")
    part = "count" if field.count is not None else "where"
    yield from sources.condition((*at, part), field.condition)
    if field.source is None:
        return
    wrong = list(sources.named((*at, field.form), field.source))
    yield from wrong
    if wrong:
        return
    dtype = sources.fields[field.source].dtype
    fitting, what = _FITTING.get(field.form, (PLAIN, "fields without parts"))
    if not isinstance(dtype, fitting):
        yield Note((*at, field.form), field.source, f"is {dtype}", f"{field.form} is for {what}")
    elif field.form == "sum" and _digits(dtype) > MAX_PRECISION:
        yield Note(
            (*at, "sum"), field.source, f"is {dtype}: sums could pass 38 digits",
            f"choose a decimal of {MAX_PRECISION} digits at most",
        )  # fmt: skip


def _digits(dtype: pl.DataType) -> int:
    return (dtype.precision or 0) if isinstance(dtype, pl.Decimal) else 0


def _wanted(declared: Sessions, fields: Mapping[str, Source]) -> Iterator[Wanted]:
    for name, source in SESSION.items():
        yield Wanted(name, *source, ("into",))
    for i, name in enumerate(declared.key):
        yield Wanted(name, *fields[name], ("key", i))
    for name, field in declared.fields.items():
        at = ("fields", name)
        if field.source is None:
            yield Wanted(name, pl.Int64(), False, at)
            continue
        dtype, nullable = fields[field.source]
        if field.form == "sum":
            scale = dtype.scale if isinstance(dtype, pl.Decimal) else None
            total = pl.Int64() if scale is None else pl.Decimal(38, scale)
            yield Wanted(name, total, False, at)
        else:
            yield Wanted(name, dtype, nullable or field.where is not None, at)
