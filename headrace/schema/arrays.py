"""Nodes for arrays, and for maps as arrays of entries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from headrace.schema.columns import Column, Leaf, Nested, join
from headrace.schema.cursors import Cursors, Int64s
from headrace.schema.datum import Datum, Malformed
from headrace.schema.nodes import Node, Real
from headrace.schema.values import Shape

#: Items that take no bytes (nulls, empty records) and still cost memory, allowed in one datum.
MAX_EMPTY_ITEMS: Final = 65_536
#: Arrays are read item by item across datums. When fewer than FEW datums have more than MANY items
#: to go, reading those datums alone is quicker.
FEW, MANY = 32, 64


class ArrayNode(Node):
    """An array, or a map as an array of entries; ``item`` is what the reader's items are."""

    def __init__(self, node: Node, item: Shape) -> None:
        self._node = node
        self._item = item

    def read(self, cursors: Cursors) -> Nested:
        got, runs = self._walk(cursors, want=True)
        items = self._item.column(cursors.chunk, [])
        if runs:
            # Item by item across datums is how they were read; datum by datum is how they lie.
            starts = np.cumsum(got) - got
            places = np.concatenate([starts[run.rows] + run.rank for run in runs])
            items = join([run.items for run in runs]).scatter(places, len(places))
        return Nested(got, items)

    def skip(self, cursors: Cursors) -> None:
        self._walk(cursors, want=False)

    def _walk(self, cursors: Cursors, *, want: bool) -> tuple[Int64s, list[_Run]]:
        """Read all blocks of all datums: how many items each datum has, and the items."""
        got = np.zeros(len(cursors), np.int64)
        runs: list[_Run] = []
        rows = np.arange(len(cursors))
        while len(rows):
            count = self._counts(cursors, rows)
            more = np.flatnonzero(count)
            rows, count = rows[more], count[more]
            if len(rows):
                self._block(cursors, rows, count, got, runs if want else None)
        return got, runs

    def _counts(self, cursors: Cursors, rows: Int64s) -> Int64s:
        """The count at the head of each datum's next block, 0 where there is none."""
        part = cursors.select(rows)
        count = part.varint()
        sized = np.flatnonzero(count < 0)
        if len(sized):  # a negative count: the block's size in bytes follows
            some = part.select(sized)
            some.flag(some.varint() < 0)
            part.rejoin(sized, some)
            count[sized] = -count[sized]
        # A count that the bytes left can't hold is a lie: it must not become memory.
        room = part.end - part.at
        most = room // self._node.low if self._node.low else 0
        lie = (count < 0) | (count > most)
        if part.flag(lie):
            count[lie] = 0
        cursors.rejoin(rows, part)
        return count

    def _block(
        self, cursors: Cursors, rows: Int64s, left: Int64s, got: Int64s, runs: list[_Run] | None
    ) -> None:
        if isinstance(self._node, Real):
            self._fixed_width(self._node, cursors, rows, left, got, runs)
            return
        while len(rows):
            part = cursors.select(rows)
            if len(rows) < FEW and int(left.max()) > MANY:
                part.flag(np.ones(len(rows), np.bool_))
                cursors.rejoin(rows, part)
                return
            if runs is None:
                self._node.skip(part)
            else:
                runs.append(_Run(rows, got[rows], self._node.read(part)))
            cursors.rejoin(rows, part)
            got[rows] += 1
            left = left - 1
            going = (left > 0) & ~cursors.chunk.flagged[part.rows]
            if not going.all():
                rows, left = rows[going], left[going]

    def _fixed_width(
        self,
        node: Real,
        cursors: Cursors,
        rows: Int64s,
        count: Int64s,
        got: Int64s,
        runs: list[_Run] | None,
    ) -> None:
        """Floats and doubles lie side by side: read whole blocks."""
        part = cursors.select(rows)
        at, _ = part.span(count * node.low)
        cursors.rejoin(rows, part)
        rank = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        windows = cursors.chunk.windows(node.low)
        words = windows[np.repeat(at, count) + rank * node.low]
        part.chunk.count_high(words)
        if runs is not None:
            data = words.view(node.wire).astype(node.dtype, copy=False)
            runs.append(
                _Run(np.repeat(rows, count), np.repeat(got[rows], count) + rank, Leaf(data))
            )
        got[rows] += count

    def scan(self, datum: Datum) -> list[Any]:
        items: list[Any] = []
        while True:
            start = datum.at
            count = datum.varint()
            if count == 0:
                return items
            if count < 0:
                count = -count
                if datum.varint() < 0:
                    raise Malformed(f"the block at byte {start} has a negative size")
            room = datum.end - datum.at
            if self._node.low == 0:
                datum.empty_items += count
                if datum.empty_items > MAX_EMPTY_ITEMS:
                    raise Malformed(
                        f"{count} items without bytes at byte {start}: more than "
                        f"{MAX_EMPTY_ITEMS} in one record"
                    )
            elif count > room // self._node.low:
                raise Malformed(
                    f"{count} items at byte {start} run past the end ({datum.end} bytes)"
                )
            scan = self._node.scan
            items.extend([scan(datum) for _ in range(count)])


@dataclass(slots=True)
class _Run:
    """Items as they were read: for each the datum it belongs to and its index there."""

    rows: Int64s
    rank: Int64s
    items: Column
