"""Expressions of declarations: SQL as rules have it, made to mean the same in both engines.

Polars parses; what it parsed is typed here, node by node, and made anew as a Polars expression and
as ClickHouse's SQL. Only what is known to give the same result in both is let through: that is what
tests/declared/test_expressions.py tries on the real engines.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import polars as pl

from headrace.declared import convert, logic
from headrace.declared import operators as ops
from headrace.declared.leaves import Fields
from headrace.declared.value import Type, Value
from headrace.rules.wrong import Wrong

Make = Callable[[Sequence[Value]], Value]

_BINARY: Final[dict[str, Make]] = {
    **{name: logic.comparison(name) for name in logic.COMPARISONS},
    "And": logic.both,
    "Or": logic.either,
    "Plus": ops.plus,
    "Minus": ops.minus,
    "Mul": ops.times,
    "Div": ops.ratio,
    "IntDiv": ops.quotient,
    "Rem": ops.remainder,
}
#: Polars has operators whose operands it may have to cast first under names of their own.
_FUNCTIONS: Final[dict[str, Make]] = {
    **_BINARY,
    **{f"Sql.Binary.{name}": make for name, make in _BINARY.items()},
    "Boolean.Not": logic.negation,
    "Boolean.IsNull": logic.is_null,
    "Boolean.IsNotNull": logic.is_not_null,
    "Coalesce": ops.coalesce,
    "StringExpr.StartsWith": ops.starts_with,
    "StringExpr.LenChars": ops.length,
    "ListExpr.Length": ops.entries,
}
KNOWN: Final = (
    "+ - * / // %, = <> < <= > >=, AND OR NOT, IN, BETWEEN, IS [NOT] NULL, COALESCE, NULLIF, "
    "CASE, ||, STARTS_WITH, LIKE 'x%', LENGTH, ARRAY_LENGTH, CAST to DOUBLE, BIGINT and VARCHAR"
)


def compile_text(text: str, fields: Fields) -> Value:
    """The expression, typed; raises Wrong, whose ``part`` is None, when it does not fit."""
    try:
        tree = json.loads(pl.sql_expr(text).meta.serialize(format="json"))
    except (pl.exceptions.PolarsError, json.JSONDecodeError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise Wrong(None, text, f"not an expression of SQL: {line}", "mend it") from error
    except RecursionError:
        raise Wrong(None, text, "nests too deeply", "give parts of it names by map") from None
    try:
        return _Compiler(text, fields).value(tree)
    except convert.Unfit as error:
        raise Wrong(None, text, str(error), error.fix) from error


class _Compiler:
    def __init__(self, text: str, fields: Fields) -> None:
        self._text = text
        self._fields = fields

    def value(self, node: Any) -> Value:
        if not isinstance(node, dict):
            raise self._unknown(str(node))
        kind, body = next(iter(node.items()))
        match kind:
            case "Column":
                return self._found(self._fields.field(body), body)
            case "Literal":
                return self._literal(node, body)
            case "BinaryExpr":
                return self._call(body["op"], [body["left"], body["right"]])
            case "Ternary":
                parts = [self.value(body[part]) for part in ("predicate", "truthy", "falsy")]
                return ops.choice(parts)
            case "Cast":
                return ops.cast(self.value(body["expr"]), body["dtype"].get("Literal"))
            case "Function":
                return self._function(body["function"], body["input"])
        raise self._unknown(kind)

    def _function(self, function: Any, inputs: list[Any]) -> Value:
        name = _dotted(function)
        if name.startswith("StructExpr.FieldByName."):
            outer = next(iter(inputs[0].items()))
            inner = name.removeprefix("StructExpr.FieldByName.")
            found = self._fields.inner(outer[1], inner) if outer[0] == "Column" else None
            return self._found(found, f"{outer[1]}.{inner}")
        if name.startswith("Sql.IsIn"):
            return logic.within(self.value(inputs[0]), _listed(inputs[1]))
        return self._call(name, inputs)

    def _call(self, name: str, inputs: list[Any]) -> Value:
        make = _FUNCTIONS.get(name)
        if make is None:
            raise self._unknown(name.rpartition(".")[2])
        made = make([self.value(one) for one in inputs])
        return replace(made, literal=None)

    def _literal(self, node: Any, body: Any) -> Value:
        try:
            value = pl.select(_expression(node)).to_series()
        except pl.exceptions.PolarsError as error:  # as 1e999 is
            raise convert.Unfit("a literal is beyond its type", "write a smaller one") from error
        if "Series" in body:
            raise self._unknown("a list")
        return convert.literal(value[0], value.dtype)

    def _found(self, value: Value | None, name: str) -> Value:
        if value is None:
            raise Wrong(
                None, self._text, f"there is no field {name!r}",
                f"there are: {', '.join(self._fields.names)}",
            )  # fmt: skip
        if value.type == Type("null", value.type.nullable):
            raise Wrong(
                None, self._text, f"expressions can't use the type of {name!r}",
                "use numbers, decimals, text, enums, booleans and timestamps",
            )  # fmt: skip
        return value

    def _unknown(self, what: str) -> Wrong:
        return Wrong(
            None, self._text, f"{what} is not sure to mean the same in every store",
            f"known here: {KNOWN}; or write a function (agents:)",
        )  # fmt: skip


def _dotted(function: Any) -> str:
    """``{"Sql": {"Binary": "Mul"}}`` as ``Sql.Binary.Mul``."""
    names = []
    while isinstance(function, dict) and function:
        name, function = next(iter(function.items()))
        names.append(name)
    return ".".join([*names, function] if isinstance(function, str) else names)


def _expression(node: Any) -> pl.Expr:
    return pl.Expr.deserialize(io.StringIO(json.dumps(node)), format="json")


def _listed(node: Any) -> list[Value]:
    """What stands behind IN."""
    body = node.get("Literal") if isinstance(node, dict) else None
    if not isinstance(body, dict) or "Series" not in body:
        raise convert.Unfit("IN needs a list of literals", "write IN ('a', 'b')")
    series = pl.select(_expression(node)).to_series()
    if isinstance(series.dtype, pl.List):
        series = series.explode(empty_as_null=False)
    return [convert.literal(value, series.dtype) for value in series]
