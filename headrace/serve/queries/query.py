"""A SELECT with bound parameters, put together from declared parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

#: Rows that one answer may take.
MAX_ROWS = 50_000


@dataclass(frozen=True, slots=True)
class Query:
    """``sql`` with ``{name:Type}`` for each of ``parameters``; the same question is equal."""

    sql: str
    parameters: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """Which rows of a view: ``[from_s, to_s)`` of its time column, and columns' values.

    ``equal`` has pairs of a declared column and the value that a row must have; a column that
    stands twice must have both.
    """

    from_s: int
    to_s: int
    equal: tuple[tuple[str, str], ...] = ()


def quoted(name: str) -> str:
    """A declared column of the view ``v``; such names have no character that needs an escape."""
    return f"v.`{name}`"


def select(
    columns: Sequence[str],
    table: str,
    where: Sequence[str],
    tail: str,
    parameters: Mapping[str, Any],
) -> Query:
    """A query of one view, under the name ``v``."""
    conditions = f" WHERE {' AND '.join(where)}" if where else ""
    sql = f"SELECT {', '.join(columns)} FROM {table} AS v{conditions} {tail}"
    return Query(sql, tuple(sorted(parameters.items())))


def within(scope: Scope, time: str) -> tuple[list[str], dict[str, Any]]:
    """The conditions of a scope, and their parameters."""
    where = [
        f"{quoted(time)} >= toDateTime({{from:UInt32}}, 'UTC')",
        f"{quoted(time)} < toDateTime({{to:UInt32}}, 'UTC')",
    ]
    parameters: dict[str, Any] = {"from": scope.from_s, "to": scope.to_s}
    for i, (column, value) in enumerate(scope.equal):
        where.append(f"{quoted(column)} = {{equal{i}:String}}")
        parameters[f"equal{i}"] = value
    return where, parameters
