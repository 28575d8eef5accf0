"""Avro types as objects: what a schema's JSON says, with names resolved.

The ``avro`` package has accepted the schema before it comes here, so this module reads, it does not
validate. A logical type that does not fit its underlying type is ignored, as specified.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_LOGICAL = {
    "date": ("int",),
    "time-millis": ("int",),
    "time-micros": ("long",),
    "timestamp-millis": ("long",),
    "timestamp-micros": ("long",),
    "timestamp-nanos": ("long",),
    "local-timestamp-millis": ("long",),
    "local-timestamp-micros": ("long",),
    "local-timestamp-nanos": ("long",),
    "decimal": ("bytes", "fixed"),
    "uuid": ("string", "fixed"),
}
MAX_PRECISION = 38  # decimal digits of a 128-bit integer, the widest decimal Polars and Arrow hold


@dataclass(frozen=True, slots=True)
class Logical:
    """A logical type; ``precision`` and ``scale`` only for decimals."""

    name: str
    precision: int = 0
    scale: int = 0


@dataclass(slots=True, eq=False)
class Primitive:
    kind: str
    logical: Logical | None = None


@dataclass(slots=True, eq=False)
class Fixed:
    name: str
    size: int
    logical: Logical | None = None
    aliases: tuple[str, ...] = ()
    kind: str = "fixed"


@dataclass(slots=True, eq=False)
class Enum:
    name: str
    symbols: tuple[str, ...]
    default: str | None = None
    aliases: tuple[str, ...] = ()
    kind: str = "enum"


@dataclass(slots=True, eq=False)
class Array:
    items: Type
    kind: str = "array"


@dataclass(slots=True, eq=False)
class Map:
    values: Type
    kind: str = "map"


@dataclass(slots=True, eq=False)
class Union:
    branches: tuple[Type, ...]
    kind: str = "union"

    @property
    def values(self) -> tuple[Type, ...]:
        """The branches that are not null."""
        return tuple(branch for branch in self.branches if branch.kind != "null")

    @property
    def nullable(self) -> bool:
        return len(self.values) < len(self.branches)


@dataclass(slots=True, eq=False)
class Field:
    """One field of a record. ``default`` is the JSON value and means something if ``optional``."""

    name: str
    type: Type
    default: Any = None
    optional: bool = False
    aliases: tuple[str, ...] = ()
    doc: str = ""
    props: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Record:
    name: str
    fields: list[Field] = field(default_factory=list)
    aliases: tuple[str, ...] = ()
    kind: str = "record"


Type = Primitive | Fixed | Enum | Array | Map | Union | Record
Named = Fixed | Enum | Record


def simple(name: str) -> str:
    """The name without its namespace."""
    return name.rpartition(".")[2]


def same_name(writer: Named, reader: Named) -> bool:
    """Named types match by unqualified name, or by an alias of the reader's."""
    return simple(writer.name) in {simple(reader.name), *map(simple, reader.aliases)}


def branch_names(union: Union) -> list[str]:
    """A name for each non-null branch: its type's, without the namespace where that is clear."""
    full = [b.name if isinstance(b, Named) else b.kind for b in union.values]
    short = [simple(name) for name in full]
    return short if len(set(short)) == len(short) else full


def describe(type_: Type) -> str:  # noqa: PLR0911 - a return for each kind
    """The type in a few words, for error texts."""
    if isinstance(type_, Union):
        return "[" + ", ".join(describe(branch) for branch in type_.branches) + "]"
    if isinstance(type_, Array):
        return f"array of {describe(type_.items)}"
    if isinstance(type_, Map):
        return f"map of {describe(type_.values)}"
    if isinstance(type_, Record | Enum):
        return f"{type_.kind} {type_.name}"
    text = f"fixed({type_.size})" if isinstance(type_, Fixed) else type_.kind
    logical = type_.logical
    if logical is None:
        return text
    if logical.name == "decimal":
        return f"decimal({logical.precision}, {logical.scale})"
    return logical.name


_FIELD_KEYS = frozenset({"name", "type", "default", "aliases", "doc", "order"})


class _Reader:
    def __init__(self) -> None:
        self.named: dict[str, Named] = {}

    def read(self, spec: Any, namespace: str) -> Type:  # noqa: PLR0911 - a return for each kind
        if isinstance(spec, str):
            return Primitive(spec) if spec in PRIMITIVES else self.named[_full(spec, namespace)]
        if isinstance(spec, list):
            return Union(tuple(self.read(branch, namespace) for branch in spec))
        kind = spec["type"]
        if not isinstance(kind, str):
            return self.read(kind, namespace)
        if kind == "array":
            return Array(self.read(spec["items"], namespace))
        if kind == "map":
            return Map(self.read(spec["values"], namespace))
        if kind in ("record", "error", "enum", "fixed"):
            return self._named(spec, kind, namespace)
        if kind in PRIMITIVES:
            return Primitive(kind, _logical(spec, kind))
        return self.named[_full(kind, namespace)]

    def _named(self, spec: Mapping[str, Any], kind: str, outer: str) -> Type:
        name = _full(spec["name"], spec.get("namespace", outer))
        namespace = name.rpartition(".")[0]
        aliases = tuple(_full(alias, namespace) for alias in spec.get("aliases", ()))
        if kind == "enum":
            enum = Enum(name, tuple(spec["symbols"]), spec.get("default"), aliases)
            self.named[name] = enum
            return enum
        if kind == "fixed":
            fixed = Fixed(name, spec["size"], _logical(spec, kind), aliases)
            self.named[name] = fixed
            return fixed
        record = Record(name, [], aliases)
        self.named[name] = record  # before its fields: they may name it
        record.fields.extend(self._fields(spec["fields"], namespace))
        return record

    def _fields(self, specs: list[Mapping[str, Any]], namespace: str) -> Iterator[Field]:
        for spec in specs:
            yield Field(
                spec["name"],
                self.read(spec["type"], namespace),
                spec.get("default"),
                "default" in spec,
                tuple(spec.get("aliases", ())),
                spec.get("doc", ""),
                {key: value for key, value in spec.items() if key not in _FIELD_KEYS},
            )


def _full(name: str, namespace: str | None) -> str:
    return name if "." in name or not namespace else f"{namespace}.{name}"


def _logical(spec: Mapping[str, Any], kind: str) -> Logical | None:
    name = spec.get("logicalType")
    if not isinstance(name, str) or kind not in _LOGICAL.get(name, ()):
        return None
    if name != "decimal":
        return Logical(name)
    precision, scale = spec.get("precision"), spec.get("scale", 0)
    if not (isinstance(precision, int) and isinstance(scale, int)):
        return None
    if not (0 <= scale <= precision and 1 <= precision <= MAX_PRECISION):
        return None
    return Logical(name, precision, scale)


def read(spec: Any) -> Type:
    """The type that ``spec`` (a schema as parsed JSON) describes."""
    return _Reader().read(spec, "")
