"""What a select reads from: tables, and selects inside of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

#: Parts that ClickHouse gives columns by itself.
_SUBCOLUMNS = frozenset({"null", "keys", "values"})


@dataclass(frozen=True, slots=True)
class Ref:
    """A column of a table, or a path into it."""

    table: str
    path: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """A name that is not there, and where it was looked for. ``known`` are the names there."""

    name: str
    where: str
    known: tuple[str, ...]


Refs = frozenset[Ref]


class Source(Protocol):
    """Something with columns."""

    @property
    def rows(self) -> Refs:
        """What decides which rows it has."""

    def find(self, parts: Sequence[str]) -> Refs | Unknown:
        """What a name, and a path inside of it, is made of."""

    def all(self) -> Iterator[tuple[str, Refs]]:
        """Its columns, each with what it is made of."""


@dataclass(frozen=True)
class Stored:
    """A table with the paths of its columns; None for one that is not the topology's."""

    table: str
    paths: Sequence[str] | None
    rows: Refs = field(default=frozenset())

    def find(self, parts: Sequence[str]) -> Refs | Unknown:
        """See ``Source``. A path ends where ClickHouse's own subcolumns begin."""
        if self.paths is None:
            return frozenset()
        path = ""
        for part in parts:
            inner = f"{path}.{part}" if path else part
            if inner in self.paths:
                path = inner
                continue
            beside = tuple(p for p in self.paths if p.rpartition(".")[0] == path)
            own = path and (part in _SUBCOLUMNS or part.isdigit() or part.startswith("size"))
            if not own and (beside or not path):
                where = f"{self.table}.{path}" if path else self.table
                return Unknown(part, where, tuple(p.rpartition(".")[2] for p in beside))
            break
        return frozenset({Ref(self.table, path)})

    def all(self) -> Iterator[tuple[str, Refs]]:
        """See ``Source``."""
        for path in self.paths or ():
            if "." not in path:
                yield path, frozenset({Ref(self.table, path)})


@dataclass(frozen=True)
class Derived:
    """The result of a select."""

    columns: Mapping[str, Refs]
    rows: Refs

    def find(self, parts: Sequence[str]) -> Refs | Unknown:
        """See ``Source``."""
        found = self.columns.get(parts[0])
        return (
            Unknown(parts[0], "the inner select", tuple(self.columns)) if found is None else found
        )

    def all(self) -> Iterator[tuple[str, Refs]]:
        """See ``Source``."""
        yield from self.columns.items()
