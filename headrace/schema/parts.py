"""Nodes for values with parts: records, arrays, maps, unions, and what a reader adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from headrace.schema.columns import Column, Leaf, Nested, Struct, join
from headrace.schema.cursors import Cursors, Int64s
from headrace.schema.datum import MAX_DEPTH, Datum, Malformed
from headrace.schema.nodes import Node, Real
from headrace.schema.values import Shape

#: Items that take no bytes (nulls, empty records) and still cost memory, allowed in one datum.
MAX_EMPTY_ITEMS: Final = 65_536
#: Arrays are read item by item across datums. When fewer than FEW datums have more than MANY items
#: to go, reading those datums alone is quicker.
FEW, MANY = 32, 64


class Constant(Node):
    """A field that the writer does not have: the reader's default."""

    low = 0

    def __init__(self, shape: Shape, value: Any) -> None:
        self._shape = shape
        self._value = value

    def read(self, cursors: Cursors) -> Column:
        return self._shape.repeat(cursors.chunk, self._value, len(cursors))

    def scan(self, datum: Datum) -> Any:
        return self._value


@dataclass(slots=True)
class Step:
    """A field in the order of the writer; ``slot`` is its place in the reader's record, if any."""

    name: str
    node: Node
    slot: int | None


class RecordNode(Node):
    """A record. ``steps`` cover the writer's fields, then the reader's additions."""

    def __init__(self, slots: int) -> None:
        self.steps: list[Step] = []
        self.slots = slots
        self.low = 0

    def complete(self, steps: Sequence[Step]) -> None:
        """Set the steps; apart from the constructor because a record may contain itself."""
        self.steps.extend(steps)
        self.low = sum(step.node.low for step in steps)

    def read(self, cursors: Cursors) -> Struct:
        fields: list[Column | None] = [None] * self.slots
        for step in self.steps:
            if step.slot is None:
                step.node.skip(cursors)
            else:
                fields[step.slot] = step.node.read(cursors)
        return Struct([field for field in fields if field is not None], len(cursors))

    def skip(self, cursors: Cursors) -> None:
        for step in self.steps:
            step.node.skip(cursors)

    def scan(self, datum: Datum) -> list[Any]:
        values: list[Any] = [None] * self.slots
        datum.depth += 1
        if datum.depth > MAX_DEPTH:
            raise Malformed(f"records nest deeper than {MAX_DEPTH} at byte {datum.at}")
        for step in self.steps:
            try:
                value = step.node.scan(datum)
            except Malformed as error:
                raise error.within(step.name) from None
            if step.slot is not None:
                values[step.slot] = value
        datum.depth -= 1
        return values


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

    def _fixed_width(  # noqa: PLR0917 - the parts of one loop
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


class Refuse(Node):
    """What the reader's schema has no place for: every datum that holds one is bad."""

    low = 0

    def __init__(self, reason: str) -> None:
        self._reason = reason

    def read(self, cursors: Cursors) -> Column:
        raise AssertionError("a refusing node has no column; its union flags the datums")

    def scan(self, datum: Datum) -> Any:
        raise Malformed(f"at byte {datum.at}: {self._reason}")


@dataclass(slots=True)
class Branch:
    """A branch of the writer's union: ``child`` is its place in a reader's union of several."""

    node: Node
    child: int | None


class UnionNode(Node):
    """A union, read as ``shape``; ``kids`` are its branches if it is a union of several."""

    def __init__(
        self, branches: Sequence[Branch | None], shape: Shape, kids: Sequence[Shape]
    ) -> None:
        self._branches = branches  # None: null
        self._shape = shape
        self._kids = kids
        self.low = 1

    def read(self, cursors: Cursors) -> Column:
        rows = len(cursors)
        found = self._walk(cursors, want=True)
        if not self._kids:
            return self._flat(cursors, [(index, column) for index, column, _ in found], self._shape)
        valid = np.zeros(rows, np.bool_)
        for index, _, _ in found:
            valid[index] = True
        fields = [
            self._flat(cursors, [(i, column) for i, column, child in found if child == place], kid)
            for place, kid in enumerate(self._kids)
        ]
        return Struct(fields, rows, valid)

    def _flat(self, cursors: Cursors, found: list[tuple[Int64s, Column]], shape: Shape) -> Column:
        rows = len(cursors)
        if not found:
            return shape.repeat(cursors.chunk, None, rows)
        column = join([column for _, column in found])
        if len(found) == 1 and len(column) == rows:
            return column
        return column.scatter(np.concatenate([index for index, _ in found]), rows)

    def skip(self, cursors: Cursors) -> None:
        self._walk(cursors, want=False)

    def _walk(self, cursors: Cursors, *, want: bool) -> list[tuple[Int64s, Column, int | None]]:
        """Read every branch's datums: which they are, their column and its place."""
        chosen = cursors.varint()
        cursors.flag(chosen.view(np.uint64) >= np.uint64(len(self._branches)))
        found = []
        for number, branch in enumerate(self._branches):
            if branch is None:
                continue
            index = np.flatnonzero(chosen == number)
            if not len(index):
                continue
            part = cursors if len(index) == len(cursors) else cursors.select(index)
            if isinstance(branch.node, Refuse):
                part.flag(np.ones(len(part), np.bool_))
            elif want:
                found.append((index, branch.node.read(part), branch.child))
            else:
                branch.node.skip(part)
            if part is not cursors:
                cursors.rejoin(index, part)
        return found

    def scan(self, datum: Datum) -> Any:
        start = datum.at
        chosen = datum.varint()
        if not 0 <= chosen < len(self._branches):
            raise Malformed(
                f"branch {chosen} at byte {start} is not in the union of {len(self._branches)}"
            )
        branch = self._branches[chosen]
        if branch is None:
            return None
        value = branch.node.scan(datum)
        if branch.child is None:
            return value
        return [value if place == branch.child else None for place in range(len(self._kids))]


class Tagged(Node):
    """A plain value of the writer's as one branch of a reader's union of several."""

    def __init__(self, node: Node, child: int, kids: Sequence[Shape]) -> None:
        self._node = node
        self._child = child
        self._kids = kids
        self.low = node.low

    def read(self, cursors: Cursors) -> Struct:
        value = self._node.read(cursors)
        rows = len(cursors)
        fields = [
            value if place == self._child else kid.repeat(cursors.chunk, None, rows)
            for place, kid in enumerate(self._kids)
        ]
        return Struct(fields, rows)

    def skip(self, cursors: Cursors) -> None:
        self._node.skip(cursors)

    def scan(self, datum: Datum) -> list[Any]:
        value = self._node.scan(datum)
        return [value if place == self._child else None for place in range(len(self._kids))]
