"""A typed expression, as Polars computes it and as ClickHouse does."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

import polars as pl

Kind = Literal["bool", "int", "decimal", "float", "text", "enum", "time", "list", "null"]
#: Digits that 64 bits hold whatever the digits are, and that a Decimal(38, …) holds.
SHORT: Final = 18
DIGITS: Final = 38


@dataclass(frozen=True, slots=True)
class Type:
    """What values an expression has.

    ``digits`` and ``scale`` are of decimals: how many digits at most, and how many behind the
    point. ``symbols`` are an enum's, ``unit`` a time's (``ms`` or ``us``).
    """

    kind: Kind
    nullable: bool = False
    digits: int = 0
    scale: int = 0
    symbols: tuple[str, ...] = ()
    unit: str = ""

    def __str__(self) -> str:
        name = f"decimal({self.digits}, {self.scale})" if self.kind == "decimal" else self.kind
        return f"{name} or null" if self.nullable else name


@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """An expression in both languages.

    In Polars: bool is Boolean, int Int64, float Float64, text String, enum an Enum, time Int64
    since 1970 in its unit, and a decimal its unscaled integer, Int64 up to 18 digits and Int128
    from there. In ClickHouse a decimal is a Decimal, a time a DateTime64, an enum a
    LowCardinality(String).

    ``reads`` are the fields that it names, ``strict`` those of them whose null makes it null, and
    ``tests`` those that are not null where it is true. ``literal`` is the value of one that is
    written out.
    """

    type: Type
    expr: pl.Expr
    sql: str
    reads: frozenset[str] = frozenset()
    strict: frozenset[str] = frozenset()
    tests: frozenset[str] = frozenset()
    literal: object = None

    def not_null(self) -> Value:
        """The same where it is known not to be null."""
        if not self.type.nullable:
            return self
        return replace(
            self, type=replace(self.type, nullable=False), sql=f"assumeNotNull({self.sql})"
        )
