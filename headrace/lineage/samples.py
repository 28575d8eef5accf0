"""Events to run an agent on, of any schema.

Every value follows from its path, its place and its row, so that what is at one path can be drawn
again while all else stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import numpy as np
import polars as pl

from headrace.block import Block
from headrace.frame import MARKS, Frame
from headrace.lineage.paths import paths
from headrace.rules.references import CODES
from headrace.rules.rule import Rule
from headrace.schema import Codec, Encoder, Registry
from headrace.schema.types import (
    Array,
    Enum,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    branch_names,
)
from headrace.topology.model import Topology

#: Enough for each combination of some symbols and nulls to come up.
ROWS = 192
DIFFERENT = 6
ITEMS = 3
#: 2026-03-01T00:00:00Z and the three days before it.
NOW_MS, SPAN_MS = 1_772_323_200_000, 3 * 86_400_000
_PER_MS = {"millis": 1, "micros": 1_000, "nanos": 1_000_000}


class Samples:
    """Frames of one topic: one that is the usual, and others that differ from it in one path."""

    def __init__(self, topology: Topology, topic: str, registry: Registry) -> None:
        self._topic = topic
        self._declared = topology.topics[topic]
        self._marks = topology.marks(topic)
        self._encoder = Encoder(registry, self._declared.schema_)
        self._codec = Codec(registry, self._declared.schema_)
        self._known = dict(_known(self._declared.rules))
        self.paths = paths(self._encoder.schema.type)
        self._decoded = cache(self._made)

    def frame(self, again: str | None = None, draw: int = 0) -> Frame:
        """ROWS events; the values at the path ``again`` are drawn anew, for the ``draw``-th time.

        Columns are drawn side by side, so a frame costs little once some are made.
        """
        usual = self._decoded(frozenset(), 0)
        if again is None:
            return usual
        top = again.partition(".")[0]
        other = self._decoded(self._beside(again), draw).df[top]
        return Frame(usual.block, usual.df.with_columns(other))

    def _beside(self, path: str) -> frozenset[str]:
        """The path, and of every other field the path with the same place among those in it."""
        inside: dict[str, list[str]] = {}
        for one in self.paths:
            inside.setdefault(one.partition(".")[0], []).append(one)
        place = inside[path.partition(".")[0]].index(path)
        return frozenset(found[place] for found in inside.values() if place < len(found))

    def _made(self, again: frozenset[str], draw: int) -> Frame:
        type_ = self._encoder.schema.type
        events = [_Event(row, again, draw, self._known).event(type_) for row in range(ROWS)]
        block = Block(
            topic=self._topic,
            partition=0,
            first=0,
            last=ROWS - 1,
            values=[self._encoder.encode(event) for event in events],
            offsets=np.arange(ROWS, dtype=np.int64),
            timestamps=np.full(ROWS, NOW_MS, np.int64),
            keys=[str(event[self._declared.key]).encode() for event in events],
        )
        frame = self._codec.decode(block)
        if not self._marks:
            return frame
        none = pl.Series(MARKS, [[]] * ROWS, dtype=pl.List(pl.String))
        return Frame(block, frame.df.with_columns(none))


def event(type_: Record, rules: Mapping[str, Rule], row: int) -> dict[str, Any]:
    """One event of a schema, as producers send it; the same for the same ``row``."""
    return _Event(row, frozenset(), 0, dict(_known(rules))).event(type_)


def _known(rules: Mapping[str, Rule]) -> Iterator[tuple[str, Sequence[Any]]]:
    """Values that a rule says a field has, where an agent may count on them."""
    for rule in rules.values():
        if rule.field is None:
            continue
        if rule.one_of or rule.is_ in CODES:
            yield rule.field, (rule.one_of or CODES[str(rule.is_)])[:DIFFERENT]
        elif rule.min is not None and rule.max is not None:
            step = (rule.max - rule.min) / (DIFFERENT - 1)
            yield rule.field, [int(rule.min + i * step) for i in range(DIFFERENT)]


class _Event:
    def __init__(
        self, row: int, again: frozenset[str], draw: int, known: Mapping[str, Sequence[Any]]
    ) -> None:
        self._row, self._again, self._draw, self._known = row, again, draw, known

    def _random(self, path: str, place: str) -> Random:
        draw = self._draw if path in self._again else -1
        return Random(f"{path}|{place}|{self._row}|{draw}")

    def event(self, type_: Record) -> dict[str, Any]:
        return self._record(type_, "", (), "")

    def _record(
        self, type_: Record, path: str, within: tuple[Record, ...], place: str
    ) -> dict[str, Any]:
        prefix = f"{path}." if path else ""
        return {
            field.name: self._value(field.type, prefix + field.name, (*within, type_), place)
            for field in type_.fields
        }

    def _value(  # noqa: PLR0911 - a return for each kind
        self, type_: Type, path: str, within: tuple[Record, ...], place: str
    ) -> Any:
        random = self._random(path, place)
        match type_:
            case Primitive(kind="string" | "int" | "long", logical=None) if path in self._known:
                return random.choice(self._known[path])
            case Record():
                return self._record(type_, path, within, place)
            case Union():
                return self._union(type_, path, within, place, random)
            case Array():
                few = 0 if _ends(type_.items, within) else random.randint(0, ITEMS)
                return [self._value(type_.items, path, within, f"{place}.{i}") for i in range(few)]
            case Map():
                few = 0 if _ends(type_.values, within) else random.randint(0, ITEMS)
                names = [f"k{i}" for i in range(few)]
                return {k: self._value(type_.values, path, within, f"{place}.{k}") for k in names}
            case Enum():
                return random.choice(type_.symbols)
            case Primitive() | Fixed():
                return _leaf(type_, path, random)

    def _union(
        self, type_: Union, path: str, within: tuple[Record, ...], place: str, random: Random
    ) -> Any:
        branches = [branch for branch in type_.values if not _ends(branch, within)]
        if not branches or (type_.nullable and random.random() < 0.25):
            return None
        branch = random.choice(branches)
        value = self._value(branch, path, within, f"{place}+")
        if len(type_.values) == 1:
            return value
        return {branch_names(type_)[type_.values.index(branch)]: value}


def _ends(type_: Type, within: tuple[Record, ...]) -> bool:
    return isinstance(type_, Record) and type_ in within


def _leaf(type_: Primitive | Fixed, path: str, random: Random) -> Any:  # noqa: PLR0911
    logical, n = type_.logical, random.randrange(DIFFERENT)
    if logical is not None and logical.name == "decimal":
        return str(Decimal(n + 1).scaleb(-logical.scale if logical.precision < 2 else 0))
    if logical is not None and type_.kind in ("int", "long"):
        return _time(logical, random)
    if logical is not None and type_.kind == "string":
        return f"00000000-0000-4000-8000-{n:012}"
    match type_.kind:
        case "null":
            return None
        case "boolean":
            return n % 2 == 0
        case "int" | "long":
            return n + 1
        case "float" | "double":
            return n + 0.5
        case "string":
            return f"{path.rpartition('.')[2]}-{n}"
        case "bytes":
            return bytes([n])
    return bytes([n]) * (type_.size if isinstance(type_, Fixed) else 1)


def _time(logical: Logical, random: Random) -> int:
    unit = _PER_MS.get(logical.name.rpartition("-")[2], 1)
    back = random.randrange(SPAN_MS)
    if logical.name == "date":
        return (NOW_MS - back) // 86_400_000
    if logical.name.startswith("time-"):
        return (back % 86_400_000) * unit
    return (NOW_MS - back) * unit
