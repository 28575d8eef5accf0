"""A source's events as rows: filtered, taken apart, in their windows, with keys and values."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from headrace.declared.plan import Fed, Feed, Plan
from headrace.declared.sketch import MOST
from headrace.frame import OFFSET, PARTITION

MS = "_ms"


def value(field: str) -> str:
    """The column of a field's value; null where the field takes nothing of the row."""
    return f"value.{field}"


def part(field: str, name: str) -> str:
    """The column of a part of a field's object, or of whose weight it adds (``by``)."""
    return f"part.{field}.{name}"


def key(name: str) -> str:
    """The column of a key."""
    return f"key.{name}"


def rows(plan: Plan, feed: Feed, df: pl.DataFrame) -> pl.DataFrame:
    """What a feed's events give.

    Columns: ``key.…``, ``_window`` if there are windows, ``_ms`` (event time), ``_partition``,
    ``_offset``, and for each field that the feed has ``value.…`` and perhaps ``part.…``.
    """
    taken = _taken(feed, df)
    ms = feed.time.expr if feed.time.type.unit == "ms" else feed.time.expr // 1_000
    made = taken.select(
        *(found.expr.alias(key(name)) for name, found in feed.keys.items()),
        ms.alias(MS),
        pl.col(PARTITION),
        pl.col(OFFSET),
        *_columns(feed),
    )
    return made if plan.begins is None else plan.begins.rows(made, pl.col(MS))


def _taken(feed: Feed, df: pl.DataFrame) -> pl.DataFrame:
    where, each = feed.where, feed.each
    early = each is None or where is None or not any(n.startswith(f"{each}.") for n in where.reads)
    if where is not None and early:
        df = df.filter(where.expr)
    if each is not None:
        df = df.explode(each, empty_as_null=False, keep_nulls=False)
    return df if where is None or early else df.filter(where.expr)


def _columns(feed: Feed) -> Iterator[pl.Expr]:
    for name, fed in feed.fields.items():
        yield _masked(fed, _given(fed)).alias(value(name))
        if fed.by is not None:
            yield fed.by.expr.alias(part(name, "by"))
        for inner, found in fed.parts.items():
            yield found.expr.alias(part(name, inner))


def _given(fed: Fed) -> pl.Expr:
    if fed.value is None:
        return pl.lit(1, pl.Int64)
    given = fed.value.expr
    if fed.above:
        given = pl.sum_horizontal(test.expr.cast(pl.Int64) for test in fed.above)
        given = pl.when(fed.value.expr.is_not_null()).then(given)
    if not fed.real:
        return given
    held = fed.value.expr
    return pl.when(held.abs().le(MOST) & held.is_not_nan()).then(given)


def _masked(fed: Fed, given: pl.Expr) -> pl.Expr:
    return given if fed.where is None else pl.when(fed.where.expr).then(given)
