"""Where a reader's schema can't take what a writer's schema allows, field by field.

The same rules that ``resolve`` compiles, but asked of every value that a writer could send: a
symbol or a branch that the reader lacks makes single records bad there, and is a break here.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from headrace.schema.resolve import Unresolvable, leaf
from headrace.schema.types import (
    Array,
    Enum,
    Field,
    Fixed,
    Map,
    Named,
    Record,
    Type,
    Union,
    describe,
    same_name,
)


@dataclass(frozen=True, slots=True)
class Break:
    """One place where reading fails: the path of the field, what is so, what would be safe."""

    path: str
    what: str
    fix: str

    def __str__(self) -> str:
        where = f"field {self.path!r} " if self.path else ""
        return f"{where}{self.what}; {self.fix}"


def breaks(writer: Type, reader: Type) -> list[Break]:
    """All of them, in the order of the reader's fields; none means that every record is read."""
    return _Comparison().compare(writer, reader, "")


class _Comparison:
    """Remembers pairs of records, which may lie inside themselves or be named many times."""

    def __init__(self) -> None:
        self._met: dict[tuple[int, int], list[Break]] = {}

    def compare(self, writer: Type, reader: Type, path: str) -> list[Break]:  # noqa: PLR0911
        if isinstance(writer, Union):
            return self._from_union(writer, reader, path)
        if isinstance(reader, Union):
            return self._into_union(writer, reader, path)
        match writer, reader:
            case Record(), Record() if same_name(writer, reader):
                return self._record(writer, reader, path)
            case Array(), Array():
                return self.compare(writer.items, reader.items, f"{path}[]")
            case Map(), Map():
                return self.compare(writer.values, reader.values, f"{path}{{}}")
            case Enum(), Enum() if same_name(writer, reader):
                return _symbols(writer, reader, path)
        try:
            leaf(writer, reader)
        except Unresolvable:
            return [_mismatch(writer, reader, path)]
        return []

    def _from_union(self, writer: Union, reader: Type, path: str) -> list[Break]:
        found: list[Break] = []
        for branch in writer.branches:
            for one in self.compare(branch, reader, path):
                if one not in found:
                    found.append(one)
        return found

    def _into_union(self, writer: Type, reader: Union, path: str) -> list[Break]:
        """Against the branch of the same kind, if none takes it: that one was meant."""
        meant: list[Break] = []
        for branch in reader.branches:
            found = self.compare(writer, branch, path)
            if not found:
                return []
            if branch.kind == writer.kind and not meant:
                meant = found
        return meant or [_mismatch(writer, reader, path)]

    def _record(self, writer: Record, reader: Record, path: str) -> list[Break]:
        """Breaks below this pair are kept relative to it, as it may stand at many paths."""
        key = (id(writer), id(reader))
        if key not in self._met:
            before = set(self._met)
            self._met[key] = []  # while it is compared, what lies inside takes it for readable
            found = self._fields(writer, reader)
            if found:  # ... wrongly: nothing that passed meanwhile is known to
                passed = [one for one, breaks_ in self._met.items() if not breaks_]
                for one in set(passed) - before:
                    del self._met[one]
            self._met[key] = found
        return [replace(one, path=_joined(path, one.path)) for one in self._met[key]]

    def _fields(self, writer: Record, reader: Record) -> list[Break]:
        there = {field.name: field for field in writer.fields}
        found: list[Break] = []
        for field in reader.fields:
            source = _source(field, there)
            if source is not None:
                found += self.compare(source.type, field.type, field.name)
            elif not field.optional:
                found.append(_missing(field))
        return found


def _source(field: Field, there: dict[str, Field]) -> Field | None:
    """The writer's field that a reader's field is filled from: by name, else by alias."""
    names: Iterable[str] = (field.name, *field.aliases)
    return next((there[name] for name in names if name in there), None)


def _missing(field: Field) -> Break:
    what = "is not in the writer's schema and has no default in the reader's"
    shown = f'{{"name": "{field.name}", "type": ["null", …], "default": null}}'
    return Break(field.name, what, f"give it a default where it is declared, such as {shown}")


def _symbols(writer: Enum, reader: Enum, path: str) -> list[Break]:
    lacking = [symbol for symbol in writer.symbols if symbol not in reader.symbols]
    if not lacking or reader.default is not None:
        return []
    what = f"may hold {', '.join(lacking)}, which the reader's {describe(reader)} lacks"
    return [Break(path, what, 'keep the symbols, or declare a "default" symbol in the reader\'s')]


def _mismatch(writer: Type, reader: Type, path: str) -> Break:
    what = f"is {describe(writer)} for the writer and can't be read as {describe(reader)}"
    fix = "keep the type and add another field, with a default, for the new meaning"
    if isinstance(writer, Named) and isinstance(reader, Named) and writer.kind == reader.kind:
        if not same_name(writer, reader):
            fix = f'keep the name, or give the reader\'s "aliases": ["{writer.name}"]'
        elif isinstance(writer, Fixed):
            fix = "keep size and scale, and add another field, with a default, for the new one"
    return Break(path, what, fix)


def _joined(path: str, rest: str) -> str:
    return f"{path}.{rest}" if path and rest else path or rest
