"""A block's events as sessions, by columns: so much fewer are left to merge one by one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import polars as pl

from headrace.frame import OFFSET
from headrace.topology.sessions import Aggregate, Sessions
from headrace.windows.intervals import Fresh, Session, Value
from headrace.windows.plain import plain, whole

TIME = "_time"
_NUMBER, _START = "_session", "_begun"
_FIXED = ("_start", "_end", "_events", "_version", "_starts")
Key = tuple[Any, ...]


class Columns:
    """What a declaration asks of a frame's columns."""

    def __init__(self, declared: Sessions) -> None:
        self._declared = declared
        self._where = None if declared.where is None else pl.sql_expr(declared.where)
        self._conditions = {
            name: pl.sql_expr(field.condition)
            for name, field in declared.fields.items()
            if field.condition is not None
        }

    def events(self, df: pl.DataFrame) -> pl.DataFrame:
        """The events that count, in log order: the key's fields, time in ms, offset, inputs."""
        declared, schema = self._declared, df.schema
        rows = df if self._where is None else df.filter(self._where)
        keys = (plain(pl.col(name), schema[name]).alias(f"_k{i}") for i, name in _keys(declared))
        inputs = [
            *(c.fill_null(False).alias(f"_c_{name}") for name, c in self._conditions.items()),
            *(
                (plain if field.form in ("first", "last") else whole)(
                    pl.col(field.source), schema[field.source]
                ).alias(f"_v_{name}")
                for name, field in declared.fields.items()
                if field.source is not None
            ),
        ]
        time = pl.col(declared.time).dt.epoch("ms").alias(TIME)
        return rows.select(*keys, time, OFFSET, *inputs)

    def sessions(self, events: pl.DataFrame, *, alone: bool = False) -> Iterator[tuple[Key, Fresh]]:
        """Sessions within the block, by key, in order of time within each; or each event alone."""
        keys = [f"_k{i}" for i, _ in _keys(self._declared)]
        ordered = events.sort(*keys, TIME, OFFSET)
        apart = pl.col(TIME) - pl.col(TIME).shift(1) > self._declared.gap_s * 1000
        other = pl.any_horizontal([pl.col(k).ne_missing(pl.col(k).shift(1)) for k in keys])
        first = pl.lit(True) if alone else (apart | other).fill_null(True)
        # One that came before all that lie less than the gap before it began a session then.
        ahead = ~first & (pl.col(OFFSET) < pl.col(OFFSET).shift(1))
        numbered = ordered.with_columns(
            (pl.int_range(pl.len()) if alone else first.cum_sum()).alias(_NUMBER),
            pl.when(ahead).then(TIME).alias(_START),
        )
        parts: list[pl.Expr] = [*(pl.col(k).first() for k in keys), *_extent()]
        for name, field in self._declared.fields.items():
            parts.extend(_aggregate(name, field))
        grouped = numbered.group_by(_NUMBER, maintain_order=True).agg(parts)
        columns = {name: grouped[name].to_list() for name in grouped.columns}
        values = [_values(name, f, columns) for name, f in self._declared.fields.items()]
        rows = zip(*values, strict=True) if values else iter([()] * grouped.height)
        fixed = zip(*(columns[name] for name in _FIXED), strict=True)
        by = zip(*(columns[k] for k in keys), strict=True)
        for key, (start, end, count, version, starts), row in zip(by, fixed, rows, strict=True):
            yield key, Fresh(Session(start, end, count, version, row), tuple(starts))


def _keys(declared: Sessions) -> list[tuple[int, str]]:
    return list(enumerate(declared.key))


def _extent() -> Iterator[pl.Expr]:
    """Start, end, number of events, version and other starts; the rows are in order of time."""
    yield pl.col(TIME).first().alias("_start")
    yield pl.col(TIME).last().alias("_end")
    yield pl.len().alias("_events")
    yield pl.col(OFFSET).max().alias("_version")
    yield pl.col(_START).drop_nulls().alias("_starts")


def _aggregate(name: str, field: Aggregate) -> Iterator[pl.Expr]:
    counts = None if field.condition is None else pl.col(f"_c_{name}")
    if field.form == "count":
        assert counts is not None
        yield counts.sum().alias(name)
        return

    def those(column: str) -> pl.Expr:
        return pl.col(column) if counts is None else pl.col(column).filter(counts)

    if field.form in ("sum", "min", "max"):
        yield getattr(those(f"_v_{name}"), field.form)().alias(name)
        return
    for part, column in (("t", TIME), ("o", OFFSET), ("v", f"_v_{name}")):
        yield getattr(those(column), field.form)().alias(f"{name}.{part}")


def _values(name: str, field: Aggregate, columns: Mapping[str, list[Any]]) -> list[Value]:
    """A field's value in each session, as it is kept."""
    if field.form not in ("first", "last"):
        return columns[name]
    places = list(zip(*(columns[f"{name}.{part}"] for part in "tov"), strict=True))
    return [None if place[0] is None else place for place in places]
