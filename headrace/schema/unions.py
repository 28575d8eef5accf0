"""Nodes for unions, of the writer's and of the reader's."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from headrace.schema.columns import Column, Struct, join
from headrace.schema.cursors import Cursors, Int64s
from headrace.schema.datum import Datum, Malformed
from headrace.schema.nodes import Node
from headrace.schema.values import Shape


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
