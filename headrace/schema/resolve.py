"""Schema resolution: a writer's and a reader's type to the nodes that read one as the other.

Follows the specification (fields by name or alias, defaults, promotions, enum symbols and default,
unions), with three refusals where following it would change a value in silence: decimals of another
scale or a smaller precision, logical types of another unit, and a named type under another name.
"""

from __future__ import annotations

from collections.abc import Collection

from headrace.schema.arrays import ArrayNode
from headrace.schema.datum import INT_MAX, INT_MIN
from headrace.schema.dtypes import KEY, VALUE
from headrace.schema.nodes import Block, Boolean, Decimal, Integer, Node, Null, Real, Symbol
from headrace.schema.opaque import Opaque
from headrace.schema.parts import Constant, RecordNode, Step
from headrace.schema.times import time_range
from headrace.schema.types import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    describe,
    same_name,
)
from headrace.schema.unions import Branch, Refuse, Tagged, UnionNode
from headrace.schema.values import (
    STRING,
    TIME_NS,
    Shape,
    fold,
    from_default,
    is_decimal,
    number,
)

_PROMOTIONS = {
    "int": ("int", "long", "float", "double"),
    "long": ("long", "float", "double"),
    "float": ("float", "double"),
    "double": ("double",),
    "string": ("string", "bytes"),
    "bytes": ("bytes", "string"),
}


class Unresolvable(Exception):
    """Nothing written with one schema can be read with the other; the text says why."""


def compile_record(
    writer: Type, reader: Type, columns: Collection[str] | None = None
) -> RecordNode:
    """The node that reads ``writer``'s records as ``reader``'s; raise Unresolvable.

    With ``columns``, only those of the reader's fields get a slot, in the order of the schema.
    """
    if not isinstance(writer, Record) or not isinstance(reader, Record):
        raise Unresolvable(f"{describe(writer)} as {describe(reader)}: both must be records")
    if not same_name(writer, reader):
        raise _mismatch(writer, reader)
    return _Resolver().record(writer, reader, (), columns)


class _Resolver:
    """``loops`` is set inside of an opaque value: there nodes only scan and may form cycles."""

    def __init__(self, loops: dict[tuple[int, int], RecordNode] | None = None) -> None:
        self._loops = loops

    def resolve(  # noqa: PLR0911 - a return for each kind
        self, writer: Type, reader: Type, within: tuple[Record, ...]
    ) -> Node:
        if isinstance(reader, Record) and reader in within and self._loops is None:
            return Opaque(_Resolver({}).resolve(writer, reader, ()), reader)
        if isinstance(writer, Union):
            return self._from_union(writer, reader, within)
        if isinstance(reader, Union):
            return self._into_union(writer, reader, within)
        match writer, reader:
            case Record(), Record() if same_name(writer, reader):
                return self.record(writer, reader, within)
            case Array(), Array():
                items = self.resolve(writer.items, reader.items, within)
                return ArrayNode(items, Shape(reader.items, within))
            case Map(), Map():
                return self._map(writer, reader, within)
        return leaf(writer, reader)

    def record(
        self,
        writer: Record,
        reader: Record,
        within: tuple[Record, ...],
        columns: Collection[str] | None = None,
    ) -> RecordNode:
        key = (id(writer), id(reader))
        if self._loops is not None and key in self._loops:
            return self._loops[key]
        wanted = [f for f in reader.fields if columns is None or f.name in columns]
        slots = {field.name: slot for slot, field in enumerate(wanted)}
        node = RecordNode(len(wanted))
        if self._loops is not None:
            self._loops[key] = node
        else:
            within = (*within, reader)
        node.complete(self._steps(writer, reader, slots, within))
        return node

    def _steps(
        self, writer: Record, reader: Record, slots: dict[str, int], within: tuple[Record, ...]
    ) -> list[Step]:
        by_name = {field.name: field for field in reader.fields}
        direct = {field.name for field in writer.fields}  # an alias is for where the name is not
        by_alias = {
            alias: field
            for field in reader.fields
            if field.name not in direct
            for alias in field.aliases
        }
        steps, met = [], set()
        for field in writer.fields:
            target = by_name.get(field.name) or by_alias.get(field.name)
            if target is None or target.name in met:
                # Dropped by the reader: proven with the writer's own type.
                steps.append(Step(field.name, self._field(field, field, within), None))
                continue
            met.add(target.name)
            node = self._field(field, target, within)
            steps.append(Step(field.name, node, slots.get(target.name)))
        for field in reader.fields:
            if field.name in met:
                continue
            if not field.optional:
                raise Unresolvable(
                    f"field {field.name!r} of {reader.name} is not in the writer's schema and has "
                    "no default"
                )
            if field.name in slots:
                constant = self._constant(field, within)
                steps.append(Step(field.name, constant, slots[field.name]))
        return steps

    def _constant(self, field: Field, within: tuple[Record, ...]) -> Constant:
        shape = Shape(field.type, within)
        value = from_default(field.type, field.default)
        return Constant(shape, value if self._loops is not None else fold(shape, value))

    def _field(self, writer: Field, reader: Field, within: tuple[Record, ...]) -> Node:
        try:
            return self.resolve(writer.type, reader.type, within)
        except Unresolvable as error:
            raise Unresolvable(f"field {writer.name!r}: {error}") from None

    def _map(self, writer: Map, reader: Map, within: tuple[Record, ...]) -> ArrayNode:
        entry = RecordNode(2)
        value = self.resolve(writer.values, reader.values, within)
        entry.complete([Step(KEY, Block(utf8=True), 0), Step(VALUE, value, 1)])
        fields = [Field(KEY, STRING), Field(VALUE, reader.values)]
        return ArrayNode(entry, Shape(Record("entry", fields), within))

    def _from_union(self, writer: Union, reader: Type, within: tuple[Record, ...]) -> Node:
        several = isinstance(reader, Union) and len(reader.values) > 1
        kids = _kids(reader, within) if several else []
        branches: list[Branch | None] = []
        for branch in writer.branches:
            if branch.kind == "null" and _takes_null(reader):
                branches.append(None)
                continue
            try:
                node, child = self._branch(branch, reader, within)
            except Unresolvable as error:
                node, child = Refuse(str(error)), None
            branches.append(Branch(node, child))
        return UnionNode(branches, Shape(reader, within), kids)

    def _into_union(self, writer: Type, reader: Union, within: tuple[Record, ...]) -> Node:
        node, child = self._branch(writer, reader, within)
        return node if child is None else Tagged(node, child, _kids(reader, within))

    def _branch(
        self, writer: Type, reader: Type, within: tuple[Record, ...]
    ) -> tuple[Node, int | None]:
        """A node into the first branch of ``reader`` that takes ``writer``, and its place."""
        if not isinstance(reader, Union):
            return self.resolve(writer, reader, within), None
        if writer.kind == "null" and reader.nullable:
            return Null(), None
        for place, branch in enumerate(reader.values):
            try:
                node = self.resolve(writer, branch, within)
            except Unresolvable:
                continue
            return node, place if len(reader.values) > 1 else None
        raise _mismatch(writer, reader)


def _kids(reader: Type, within: tuple[Record, ...]) -> list[Shape]:
    assert isinstance(reader, Union)
    return [Shape(branch, within) for branch in reader.values]


def _takes_null(reader: Type) -> bool:
    return reader.kind == "null" or (isinstance(reader, Union) and reader.nullable)


def _mismatch(writer: Type, reader: Type) -> Unresolvable:
    return Unresolvable(f"{describe(writer)} can't be read as {describe(reader)}")


def leaf(writer: Type, reader: Type) -> Node:
    """The node that reads a type which holds no others; raise Unresolvable."""
    match writer, reader:
        case Enum(), Enum() if same_name(writer, reader):
            return _enum(writer, reader)
        case Fixed(), Fixed() if same_name(writer, reader) and writer.size == reader.size:
            return _fixed(writer, reader)
        case Primitive(), Primitive():
            return _primitive(writer, reader)
    raise _mismatch(writer, reader)


def _enum(writer: Enum, reader: Enum) -> Symbol:
    codes = {symbol: code for code, symbol in enumerate(reader.symbols)}
    default = codes[reader.default] if reader.default is not None else -1
    return Symbol(reader.name, writer.symbols, [codes.get(s, default) for s in writer.symbols])


def _decimal(writer: Primitive | Fixed, reader: Primitive | Fixed) -> Decimal:
    """A decimal column, from a decimal or from plain bytes."""
    there, here = writer.logical, reader.logical
    assert here is not None  # the caller looked
    if there is not None and (there.scale != here.scale or there.precision > here.precision):
        raise _mismatch(writer, reader)
    size = writer.size if isinstance(writer, Fixed) else None
    return Decimal(here.precision, here.scale, size)


def _fixed(writer: Fixed, reader: Fixed) -> Node:
    if is_decimal(reader.logical):
        return _decimal(writer, reader)
    return Block(utf8=False, size=writer.size)


def _primitive(writer: Primitive, reader: Primitive) -> Node:
    if writer.kind != reader.kind and reader.kind not in _PROMOTIONS.get(writer.kind, ()):
        raise _mismatch(writer, reader)
    if writer.kind in ("string", "bytes"):
        if is_decimal(reader.logical):
            return _decimal(writer, reader)
        return Block(utf8="string" in (writer.kind, reader.kind))
    if writer.logical is not None and reader.logical not in (None, writer.logical):
        raise _mismatch(writer, reader)
    match writer.kind:
        case "null":
            return Null()
        case "boolean":
            return Boolean()
        case "float" | "double":
            return Real(writer.kind, number(reader))
    return _integer(writer.kind, reader)


def _integer(wire: str, reader: Primitive) -> Integer:
    low, high = (INT_MIN, INT_MAX) if wire == "int" else (-(2**63), 2**63 - 1)
    dtype = number(reader)
    if reader.logical is None:
        return Integer(low, high, "32-bit int", dtype)
    first, last = time_range(reader.logical)
    factor = TIME_NS.get(reader.logical.name, 1)
    return Integer(max(low, first), min(high, last), f"valid {reader.logical.name}", dtype, factor)
