"""Private fields that a producer sent in clear: their records are set aside, without them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import polars as pl

from headrace.frame import OFFSET, Bad, Frame, Kept
from headrace.private.cipher import PSEUDONYM, SEALED
from headrace.private.fields import PrivateField, PrivateFields
from headrace.schema import Encoder, Registry
from headrace.schema.framing import schema_id
from headrace.topology.model import Topology

STEP = "private"


class Guard:
    """Checks one topic's frames by column. Safe to use from many threads."""

    @classmethod
    def of(cls, topology: Topology, topic: str, registry: Registry) -> Guard | None:
        """The topic's guard; None if it has no private fields, or lets them come in clear."""
        declared = topology.topics[topic]
        encoder = Encoder(registry, declared.schema_)
        fields = PrivateFields.of(topology, topic, encoder.schema)
        if not fields.fields or declared.clear_text == "allow":
            return None
        return cls(fields, encoder, declared.key)

    def __init__(self, fields: PrivateFields, encoder: Encoder, key: str) -> None:
        """``key`` is the field that the topic's records have as their key."""
        self._fields = fields.fields
        self._encoder = encoder
        self._key = key
        self._clear = [_clear(field).alias(field.name) for field in self._fields]
        self.names = fields.names

    def passing(self, frame: Frame) -> Frame:
        """The frame without the records that hold a private value in clear, which are dropped."""
        return replace(frame, df=frame.df.filter(~pl.any_horizontal(self._clear)))

    def apply(self, frame: Frame) -> Frame:
        """``passing``, with the others in ``bad``: kept with ``<private>`` for those values.

        ``frame`` must have all the columns of the schema.
        """
        clear = frame.df.select(self._clear)
        aside = clear.select(pl.any_horizontal(pl.all())).to_series()
        if not aside.any():
            return frame
        bad = [*frame.bad, *self._bad(frame, clear.filter(aside), frame.df.filter(aside))]
        bad.sort(key=lambda entry: entry.index)
        return replace(frame, df=frame.df.filter(~aside), bad=bad)

    def _bad(self, frame: Frame, clear: pl.DataFrame, rows: pl.DataFrame) -> list[Bad]:
        index = np.searchsorted(frame.block.offsets, rows[OFFSET].to_numpy()).tolist()
        found = []
        for at, marks, row in zip(index, clear.to_dicts(), rows.to_dicts(), strict=True):
            hidden = [field for field in self._fields if marks[field.name]]
            names = ", ".join(repr(field.name) for field in hidden)
            reason = f"private field {names} came in clear text: its producer does not encrypt"
            kept = Kept(frame.block.keys[at], self._redacted(row, hidden))
            if self._key in {field.name for field in hidden}:
                kept = replace(kept, key=None)
            found.append(Bad(at, STEP, reason, schema_id(frame.block.values[at]), kept=kept))
        return found

    def _redacted(self, row: Mapping[str, object], hidden: list[PrivateField]) -> bytes:
        """The record in the schema's latest version, without what must not be kept."""
        record = self._encoder.to_json(row)
        for field in hidden:
            record[field.name] = field.hidden
        return self._encoder.encode(record)


def _clear(field: PrivateField) -> pl.Expr:
    """Whether there is a value that is neither sealed nor a pseudonym."""
    prefix = SEALED if field.encrypted else PSEUDONYM
    column = pl.col(field.name)
    starts = (
        column.bin.starts_with(prefix.encode()) if field.binary else column.str.starts_with(prefix)
    )
    return (~starts).fill_null(False)
