"""A hypothesis strategy for events of any Avro schema, as producers send them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

from headrace.errors import ConfigError
from headrace.schema import AvroSchema
from headrace.schema.registry import parse
from headrace.schema.times import time_range
from headrace.schema.types import (
    Array,
    Enum,
    Fixed,
    Logical,
    Map,
    Primitive,
    Record,
    Type,
    Union,
    branch_names,
)

try:
    from hypothesis import strategies as st
except ModuleNotFoundError as error:
    raise ModuleNotFoundError(
        "headrace.testing.events needs hypothesis: pip install hypothesis"
    ) from error

Values = st.SearchStrategy[Any]
#: Items of an array, entries of a map, characters, bytes.
SIZE = 4
#: How often a record stands within itself, itself included.
DEPTH = 2


def events_of(schema: AvroSchema | Path, where: Mapping[str, Values] | None = None) -> Values:
    """Events that fit a schema (or the one in an ``.avsc`` file), as ``Encoder.encode`` takes them.

    ``where`` replaces fields: ``{"user_id": …, "lines.quantity": …}``; a path goes through arrays,
    maps and unions by itself. Every other field takes any value its type allows, null and the
    extremes of numbers and times among them. Raises ConfigError for a path without a field, for
    a file without a record, and for a record within itself that can never end.
    """
    if isinstance(schema, Path):
        schema = parse(str(schema), schema.read_text(encoding="utf-8"), 1, 1)
    maker = _Maker(schema.name, dict(where or {}))
    made = maker.record(schema.type, "", ())
    if unknown := sorted(maker.where.keys() - maker.paths):
        raise ConfigError(
            f"{schema.name}: no field {', '.join(map(repr, unknown))} to replace; there are "
            f"{', '.join(sorted(maker.paths))}"
        )
    if made.is_empty:
        raise ConfigError(f"{schema.name}: a record holds itself with no end; let it be null")
    return made


class _Maker:
    """``within`` are the records around a type, ``path`` the fields that lead there."""

    def __init__(self, name: str, where: dict[str, Values]) -> None:
        self.name = name
        self.where = where
        self.paths: set[str] = set()

    def record(self, type_: Record, path: str, within: tuple[Record, ...]) -> Values:
        fields: dict[str, Values] = {}
        for field in type_.fields:
            inner = f"{path}.{field.name}" if path else field.name
            self.paths.add(inner)
            given = self.where.get(inner)
            fields[field.name] = (
                self.type(field.type, inner, (*within, type_)) if given is None else given
            )
        return st.fixed_dictionaries(fields)

    def type(  # noqa: PLR0911 - a return for each kind
        self, type_: Type, path: str, within: tuple[Record, ...]
    ) -> Values:
        match type_:
            case Record() if within.count(type_) >= DEPTH:
                return st.nothing()
            case Record():
                return self.record(type_, path, within)
            case Union():
                return self._union(type_, path, within)
            case Array():
                return _lists(self.type(type_.items, path, within))
            case Map():
                return _lists(
                    st.tuples(st.text(max_size=SIZE), self.type(type_.values, path, within))
                ).map(dict)
            case Enum():
                return st.sampled_from(type_.symbols)
            case Primitive() | Fixed():
                return _leaf(type_)

    def _union(self, type_: Union, path: str, within: tuple[Record, ...]) -> Values:
        inner = [self.type(branch, path, within) for branch in type_.values]
        if len(inner) > 1:
            named = zip(branch_names(type_), inner, strict=True)
            inner = [st.fixed_dictionaries({name: values}) for name, values in named]
        return st.one_of(*([st.none()] if type_.nullable else []), *inner)


def _lists(items: Values) -> Values:
    return st.just([]) if items.is_empty else st.lists(items, max_size=SIZE)


def _leaf(type_: Primitive | Fixed) -> Values:
    logical = type_.logical
    if logical is not None and logical.name == "decimal":
        return _decimals(logical, 8 * type_.size - 1 if isinstance(type_, Fixed) else 127)
    if logical is not None and type_.kind in ("int", "long"):
        return st.integers(*time_range(logical))
    if logical is not None and type_.kind == "string":
        return st.uuids().map(str)
    if isinstance(type_, Fixed):
        return st.binary(min_size=type_.size, max_size=type_.size)
    return _PLAIN[type_.kind]()


def _decimals(logical: Logical, bits: int) -> Values:
    most = min(10**logical.precision, 2**bits) - 1

    def text(unscaled: int) -> str:
        sign, digits = int(unscaled < 0), tuple(map(int, str(abs(unscaled))))
        return format(Decimal((sign, digits, -logical.scale)), "f")

    return st.integers(-most, most).map(text)


_PLAIN: Mapping[str, Callable[[], Values]] = {
    "null": st.none,
    "boolean": st.booleans,
    "int": lambda: st.integers(-(2**31), 2**31 - 1),
    "long": lambda: st.integers(-(2**63), 2**63 - 1),
    "float": lambda: st.floats(width=32),
    "double": st.floats,
    "bytes": lambda: st.binary(max_size=SIZE),
    "string": lambda: st.text(st.characters(exclude_categories=["Cs"]), max_size=SIZE),
}
