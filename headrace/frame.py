"""A decoded Block: Polars columns of the reader schema, plus what could not be decoded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl

from headrace.block import Block

PARTITION = "_partition"
OFFSET = "_offset"
#: Names of the rules that a row fails and that only mark it; there when the topic has such a rule.
MARKS = "_marks"


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept of a record that must not be kept as it was."""

    key: bytes | None
    value: bytes


@dataclass(frozen=True, slots=True)
class Bad:
    """A record to be set aside. ``index`` points into the block's columns.

    ``error`` is the type of the exception and ``agent`` who raised it, where there is one.
    ``kept`` is what its dead letter holds, where that is not its own key and value.
    """

    index: int
    step: str
    reason: str
    schema_id: int | None = None
    error: str = ""
    agent: str = ""
    kept: Kept | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """The good records of a Block as columns, in offset order.

    ``df`` has one column a field of the reader schema (see ``headrace.schema`` for the mapping of
    types) and ``_partition`` (Int32), ``_offset`` (Int64); with rules that mark, ``_marks``
    (List(String)). ``bad`` holds the others. Tombstones (null values) are in neither: they carry no
    event. ``repeats`` counts the records that were left out because the topic's ``dedupe`` found
    their id in the window before them, ``failed`` those that fail a rule, by rule.
    """

    block: Block
    df: pl.DataFrame
    bad: Sequence[Bad] = ()
    repeats: int = 0
    failed: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return self.df.height

    @property
    def topic(self) -> str:
        return self.block.topic

    @property
    def partition(self) -> int:
        return self.block.partition


#: Raises for no value: what it can't make out is in ``bad``.
Decode = Callable[[Block], Frame]
