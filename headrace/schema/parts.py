"""Nodes for records, and for the fields that a reader adds to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from headrace.schema.columns import Column, Struct
from headrace.schema.cursors import Cursors
from headrace.schema.datum import MAX_DEPTH, Datum, Malformed
from headrace.schema.nodes import Node
from headrace.schema.values import Shape


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
