"""Records inside themselves: read datum by datum and kept as JSON text.

A type that contains itself has no finite column type. Its outer level is columns like any other;
where a record comes again inside itself, a String column holds it as JSON.
"""

from __future__ import annotations

import numpy as np
import orjson

from headrace.schema.columns import Column, Leaf
from headrace.schema.cursors import Cursors
from headrace.schema.datum import Datum, Malformed
from headrace.schema.nodes import Node
from headrace.schema.types import Type
from headrace.schema.values import to_json
from headrace.schema.views import interned


class Opaque(Node):
    """A value read by ``inner``, which only scans, as JSON text of the reader's ``type_``."""

    def __init__(self, inner: Node, type_: Type) -> None:
        self._inner = inner
        self._type = type_
        self.low = inner.low

    def read(self, cursors: Cursors) -> Column:
        texts: list[bytes | None] = []
        broken = np.zeros(len(cursors), np.bool_)
        at = cursors.at.copy()
        cursors.chunk.countable = False
        data = cursors.chunk.buffer
        for row, (start, end) in enumerate(zip(cursors.at, cursors.end, strict=True)):
            datum = Datum(data[start:end].tobytes())
            try:
                texts.append(self.scan(datum))
            except Malformed:
                broken[row] = True
                texts.append(None)
            at[row] += datum.at
        cursors.at = at
        cursors.flag(broken)
        return Leaf(interned(cursors.chunk, texts))

    def scan(self, datum: Datum) -> bytes:
        return orjson.dumps(to_json(self._type, self._inner.scan(datum)))
