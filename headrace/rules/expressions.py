"""``check:``: a boolean expression of SQL, which Polars reads, as a column.

What a row's verdict may depend on is the row: not its neighbours, which another cut of the log into
blocks changes (aggregates, windows), and not the clock, which a replay finds later. So only the
kinds of expression named here are let through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import polars as pl

from headrace.rules.wrong import Wrong

#: Keys of an operator's operands, by its name in a serialized Polars expression.
_OPERANDS: Final = {
    "Column": (),
    "Literal": (),
    "BinaryExpr": ("left", "right"),
    "Cast": ("expr",),
    "Ternary": ("predicate", "truthy", "falsy"),
    "Function": ("input",),
}
#: Families of functions that give a row its value from that row.
_FUNCTIONS: Final = (
    "Abs", "Boolean", "Ceil", "Coalesce", "Exp", "Floor", "ListExpr", "Log", "MaxHorizontal",
    "MinHorizontal", "Pow", "Round", "Sign", "Sql", "StringExpr", "StructExpr", "TemporalExpr",
    "Trigonometry",
)  # fmt: skip
_QUOTED = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"")
_CLOCK = re.compile(
    r"\b(now\s*\(|today\s*\(|current_(timestamp|date|time)\b|localtime(stamp)?\b)", re.I
)


def check(text: str, dtypes: Mapping[str, pl.DataType]) -> tuple[pl.Expr, tuple[str, ...]]:
    """The expression, true where the rule holds, and the fields it names; raises Wrong."""

    def wrong(what: str, fix: str) -> Wrong:
        return Wrong("check", text, what, fix)

    try:
        expression = pl.sql_expr(text)
        tree = json.loads(expression.meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, json.JSONDecodeError) as error:
        raise wrong(f"not an expression of SQL: {_first_line(error)}", "mend it") from error
    except RecursionError:
        raise wrong("nests too deeply", "make several rules of it") from None
    if found := _CLOCK.search(_QUOTED.sub("", text)):
        raise wrong(f"{found[0]!r} asks the clock", "compare fields of the event with each other")
    names = []
    for kind, name in _nodes(tree):
        if kind == "Column":
            names.append(name)
        elif kind not in _OPERANDS or (kind == "Function" and name not in _FUNCTIONS):
            raise wrong(
                f"{name or kind} looks beyond the row",
                "let it depend on one event's fields",
            )
    fields = tuple(dict.fromkeys(names))
    if unknown := [name for name in fields if name not in dtypes]:
        known = ", ".join(dtypes)
        raise wrong(f"the schema has no field {', '.join(map(repr, unknown))}", f"it has: {known}")
    if not fields:
        raise wrong("names no field", "say what must hold for one")
    _boolean(expression, dtypes, wrong)
    return expression, fields


def _boolean(expression: pl.Expr, dtypes: Mapping[str, pl.DataType], wrong: Any) -> None:
    try:
        dtype = pl.DataFrame(schema=dict(dtypes)).select(expression).dtypes[0]
    except pl.exceptions.PolarsError as error:
        raise wrong(
            f"does not fit the fields' types: {_first_line(error)}", "compare values of one type"
        ) from error
    if dtype != pl.Boolean:
        raise wrong(f"gives {dtype}, not true or false", "compare it with something")


def _nodes(node: Any) -> Iterator[tuple[str, str]]:
    """Each operator of a serialized expression, and the name of its column or function."""
    kind: str
    body: Any
    kind, body = next(iter(node.items())) if isinstance(node, dict) else (str(node), None)
    name = ""
    if kind == "Column":
        name = str(body)
    elif kind == "Function":
        function = body["function"]
        name = function if isinstance(function, str) else next(iter(function))
    yield kind, name
    for operand in _OPERANDS.get(kind, ()):
        inner = body[operand]
        for one in inner if isinstance(inner, list) else [inner]:
            yield from _nodes(one)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
