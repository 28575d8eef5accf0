"""Avro values of a Block to a Frame, all records at once.

A block is cut into chunks of bounded size. A chunk's values are joined into one buffer, their
headers are read, and for each schema id in it the records of that id are decoded together, by the
nodes that read that writer's schema as the reader's. Records that were flagged on the way are then
decoded alone: most are bad, and get their reason; a few are good but unusual (a very long array).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final, cast

import numpy as np
import polars as pl

from headrace.block import Block
from headrace.errors import ConfigError
from headrace.frame import OFFSET, PARTITION, Bad, Frame
from headrace.schema import framing, utf8
from headrace.schema.arrow import Layout
from headrace.schema.columns import Leaf, Struct
from headrace.schema.cursors import Cursors, Int64s
from headrace.schema.datum import Datum, Malformed
from headrace.schema.framing import HEADER_BYTES, Framed
from headrace.schema.parts import RecordNode
from headrace.schema.registry import AvroSchema, Registry
from headrace.schema.resolve import Unresolvable, compile_record
from headrace.schema.values import build

#: Bytes decoded at a time: bounds the memory beside the block, and a few MB stay in the cache from
#: column to column (measured in docs/codec.md).
CHUNK_BYTES: Final = 2 * 2**20


class Codec:
    """Decodes values as the latest version of one schema. Safe to use from many threads."""

    def __init__(
        self, registry: Registry, schema_name: str, columns: Collection[str] | None = None
    ) -> None:
        """Decode all columns, or only ``columns``; the other fields are still proven.

        Raises ConfigError if the registry lacks the schema, or the schema one of the columns.
        """
        self.schema = registry.latest(schema_name)
        self._registry = registry
        self._names = _known(self.schema, columns)
        self._types = [f.type for f in self.schema.type.fields if f.name in self._names]
        dtypes = {c.name: c.dtype for c in self.schema.columns if c.name in self._names}
        self._layout = Layout({**dtypes, PARTITION: pl.Int32(), OFFSET: pl.Int64()})
        self._plans: dict[int, RecordNode | tuple[str, str]] = {}

    def decode(self, block: Block) -> Frame:
        """The block's good records in offset order, and its bad ones.

        Never raises for a value; Transient if it can't be told whether a schema id is registered.
        """
        values, lengths, index = _present(block.values)
        frames: list[pl.DataFrame] = []
        bad: list[Bad] = []
        for first, behind in framing.spans(lengths, CHUNK_BYTES):
            run = slice(first, behind)
            frames.append(self._chunk(block, values[run], lengths[run], index[run], bad))
        bad.sort(key=lambda item: item.index)
        if not frames:
            return Frame(block, self._layout.empty, bad)
        df = pl.concat(frames, rechunk=False) if len(frames) > 1 else frames[0]
        return Frame(block, df, bad)

    def _chunk(
        self,
        block: Block,
        values: Sequence[bytes],
        lengths: Int64s,
        index: Int64s,
        bad: list[Bad],
    ) -> pl.DataFrame:
        """Decode the values at ``index`` of the block; add what can't be decoded to ``bad``."""
        framed = framing.parse(values, lengths)
        pieces: list[tuple[Int64s, Struct]] = []
        for schema_id, rows in _by_id(framed.ids):
            plan = self._plan(schema_id)
            if isinstance(plan, RecordNode):
                at = framed.start[rows] + HEADER_BYTES
                cursors = Cursors(framed.chunk, rows, at, framed.end[rows])
                record = plan.read(cursors)
                cursors.flag(cursors.at < cursors.end)
                pieces.append((rows, record))
            else:
                step, reason = plan
                for row in rows.tolist():
                    text = reason or framing.explain(values[row])
                    bad.append(Bad(int(index[row]), step, text, schema_id if reason else None))
        utf8.flag_invalid(framed.chunk)
        flagged = np.flatnonzero(framed.chunk.flagged)
        if len(flagged):
            pieces = [_unflagged(framed, rows, record) for rows, record in pieces]
            pieces.append(self._alone(framed, values, flagged, index, bad))
        if not pieces:
            return self._layout.empty
        rows, record = _in_order(pieces)
        position = [
            Leaf(np.full(len(rows), block.partition, np.int32)),
            Leaf(block.offsets[index[rows]]),
        ]
        return self._layout.frame([*record.fields, *position], framed.chunk)

    def _alone(
        self,
        framed: Framed,
        values: Sequence[bytes],
        flagged: Int64s,
        index: Int64s,
        bad: list[Bad],
    ) -> tuple[Int64s, Struct]:
        """Decode flagged records one by one."""
        good, records = [], []
        for row in flagged.tolist():
            schema_id = int(framed.ids[row])
            plan = self._plan(schema_id)
            assert isinstance(plan, RecordNode)  # only what a node read can be flagged
            datum = Datum(values[row], HEADER_BYTES)
            try:
                record = plan.scan(datum)
                datum.finish()
            except Malformed as error:
                text = str(error)
                bad.append(Bad(int(index[row]), "decode", text, schema_id, type(error).__name__))
            else:
                good.append(row)
                records.append(record)
        fields = [
            build(framed.chunk, type_, [record[slot] for record in records], (self.schema.type,))
            for slot, type_ in enumerate(self._types)
        ]
        return np.array(good, np.int64), Struct(fields, len(good))

    def _plan(self, schema_id: int) -> RecordNode | tuple[str, str]:
        """What reads records of that id, or the step and reason why nothing can."""
        plan = self._plans.get(schema_id)
        if plan is not None:
            return plan
        if schema_id < 0:
            return "frame", ""  # the reason depends on the value
        writer = self._registry.find(schema_id)
        if writer is None:  # not kept: it may be registered later
            name = self.schema.name
            return "frame", f"schema id {schema_id} is not registered; expected one of {name!r}"
        plan = self._compile(schema_id, writer)
        self._plans[schema_id] = plan  # two threads may both compile: the results are equal
        return plan

    def _compile(self, schema_id: int, writer: AvroSchema) -> RecordNode | tuple[str, str]:
        name = self.schema.name
        if writer.name != name:
            return "frame", f"schema id {schema_id} is {writer.title}, not a version of {name!r}"
        try:
            return compile_record(writer.type, self.schema.type, self._names)
        except Unresolvable as error:
            return "decode", f"{writer.title} can't be read as {self.schema.title}: {error}"


def _known(schema: AvroSchema, columns: Collection[str] | None) -> frozenset[str]:
    names = [column.name for column in schema.columns]
    unknown = sorted(set(columns or ()) - set(names))
    if unknown:
        raise ConfigError(
            f"{schema.title} has no field {', '.join(map(repr, unknown))}; its fields are "
            f"{', '.join(names)}"
        )
    return frozenset(names if columns is None else columns)


def _present(values: Sequence[bytes | None]) -> tuple[Sequence[bytes], Int64s, Int64s]:
    """The values that are not tombstones, their lengths, and where they stand."""
    try:
        lengths = _lengths(cast(Sequence[bytes], values))  # one pass where there are none
    except TypeError:
        index = np.array([i for i, value in enumerate(values) if value is not None], np.int64)
        present = [value for value in values if value is not None]
        return present, _lengths(present), index
    return cast(Sequence[bytes], values), lengths, np.arange(len(values))


def _lengths(values: Sequence[bytes]) -> Int64s:
    return np.fromiter(map(len, values), np.int64, len(values))


def _by_id(ids: Int64s) -> list[tuple[int, Int64s]]:
    """The rows of each schema id."""
    if (ids == ids[0]).all():
        return [(int(ids[0]), np.arange(len(ids)))]
    return [(one, np.flatnonzero(ids == one)) for one in np.unique(ids).tolist()]


def _unflagged(framed: Framed, rows: Int64s, record: Struct) -> tuple[Int64s, Struct]:
    keep = np.flatnonzero(~framed.chunk.flagged[rows])
    return rows[keep], record.take(keep)


def _in_order(pieces: list[tuple[Int64s, Struct]]) -> tuple[Int64s, Struct]:
    """The rows of all pieces in the order of the block."""
    rows, record = pieces[0]
    if len(pieces) == 1:
        return rows, record
    rows = np.concatenate([rows for rows, _ in pieces])
    order = np.argsort(rows, kind="stable")
    joined = record.joined([other for _, other in pieces[1:]])
    return rows[order], joined.take(order)
