"""A declaration evaluated offline: the final table from the events alone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

import polars as pl

from headrace.declared import members
from headrace.declared.kinds import RINGED
from headrace.declared.members import Members, RingSums
from headrace.declared.plan import Feed, Plan
from headrace.declared.planned import planned
from headrace.declared.rows import key, rows, value
from headrace.declared.shape import Shape
from headrace.declared.value import Type
from headrace.declared.windows import BEGIN
from headrace.frame import OFFSET, PARTITION
from headrace.schema import Registry
from headrace.topology.declared import Aggregate, InRedis
from headrace.topology.model import Topology

#: Parts are merged when so many rows have come together.
_MERGE_ROWS: Final = 1_000_000
_ALL: Final = "_all"


def table(
    topology: Topology,
    registry: Registry,
    name: str,
    frames: Iterable[tuple[str, pl.DataFrame]],
) -> pl.DataFrame:
    """The final table of a declaration over decoded frames, given with their topics.

    Frames have the columns of the topic's newest schema, ``_partition`` and ``_offset``; no event
    may come twice. Rows are sorted by window and keys. Columns: the window (a point in time, or a
    date of the calendar), the keys, the fields. Counts and distinct values are UInt64, sums Int64
    or Decimal(38, …); ``min``, ``max``, ``first`` and ``last`` are null where there is no value;
    ``quantiles`` is a list as ``levels`` is, empty then; ``top``, ``newest`` and ``decayed`` are
    lists of ``{value, number}``, ``histogram`` a list with one count more than there are bounds,
    and what rings keep a list of ``{ring, bucket, number}``. Objects are as Redis has them:
    decimals unscaled, times in milliseconds. ``distinct`` is exact here, whatever the stores keep.

    Raises ConfigError when nothing is declared under the name.
    """
    ready = planned(topology, registry, name)
    shapes = {t: Shape.of(registry.latest(topology.topics[t].schema_)) for t in ready.feeds}
    made = Table(ready, shapes)
    for topic, df in frames:
        if topic in ready.feeds:
            made.add(ready.feeds[topic], df)
    return made.done()


class Table:
    """Parts of the table, merged now and then."""

    def __init__(
        self, plan: Plan, shapes: Mapping[str, Shape], by: Sequence[str] | None = None
    ) -> None:
        """``by``: what tells rows of the table apart, if not window and keys (``asof``)."""
        self._plan = plan
        window = [BEGIN] if plan.begins else []
        self._by = list(by) if by else [*window, *(key(name) for name in plan.declared.key)]
        by = self._by or [_ALL]
        fields = plan.declared.fields.items()
        rings = (plan.declared.keep.redis or InRedis()).rings
        self._members: dict[str, Members | RingSums] = {
            n: RingSums(n, rings, by) if rings and one.kind in RINGED else Members(n, one, by)
            for n, one in fields
            if one.kind in members.KINDS or (rings and one.kind in RINGED)
        }
        self._parts: list[pl.DataFrame] = []
        self._rows = 0
        # Nothing, once from each source, so that all columns have their types.
        for topic, feed in plan.feeds.items():
            places = {PARTITION: pl.Int32(), OFFSET: pl.Int64()}
            self.add(feed, pl.DataFrame(schema={**shapes[topic].dtypes, **places}))

    def add(self, feed: Feed, df: pl.DataFrame) -> None:
        """The events of one frame."""
        self.take(feed, rows(self._plan, feed, df))

    def take(self, feed: Feed, made: pl.DataFrame) -> None:
        """What ``rows`` made of the events of one frame."""
        if not self._by:
            made = made.with_columns(pl.lit(0).alias(_ALL))
        by = self._by or [_ALL]
        numbers = [self._part(feed, name, one) for name, one in self._numbers()]
        self._parts.append(made.group_by(by, maintain_order=True).agg(numbers))
        self._rows += self._parts[-1].height
        for name, found in self._members.items():
            if name in feed.fields:
                self._rows += found.add(feed, made)
        if self._rows > _MERGE_ROWS:
            self._merge()

    def _numbers(self) -> Iterator[tuple[str, Aggregate]]:
        """The fields of which a number a key is enough."""
        for name, one in self._plan.declared.fields.items():
            if name not in self._members:
                yield name, one

    def _part(self, feed: Feed, name: str, one: Aggregate) -> pl.Expr:
        held = _held(one, self._plan.values[name])
        if name not in feed.fields:
            return pl.lit(None, held).first().alias(name)
        column = pl.col(value(name))
        if one.kind == "count":
            return column.is_not_null().sum().cast(pl.Int64).alias(name)
        return _merged(one, column.cast(held)).alias(name)

    def _merge(self) -> None:
        together = pl.concat(self._parts).group_by(self._by or [_ALL], maintain_order=True)
        self._parts = [together.agg(_merged(one, pl.col(name)) for name, one in self._numbers())]
        for found in self._members.values():
            found.merge()
        self._rows = 0

    def done(self) -> pl.DataFrame:
        """The table."""
        self._merge()
        made = self._parts[0]
        by = self._by or [_ALL]
        for found in self._members.values():
            made = made.join(found.finished(), on=by, how="left", nulls_equal=True)
        made = made.select(self._columns())
        return made.sort(made.columns[: len(self._by)]) if self._by else made

    def _columns(self) -> Iterator[pl.Expr]:
        declared = self._plan.declared
        if declared.window is not None:
            yield pl.col(BEGIN).alias(declared.window.name)
        for name in declared.key:
            yield pl.col(key(name)).alias(name)
        for name, one in declared.fields.items():
            if isinstance(self._members.get(name), RingSums):
                yield pl.col(name).fill_null([])
            else:
                yield _shown(name, one, self._plan.values[name]).alias(name)


def _merged(one: Aggregate, column: pl.Expr) -> pl.Expr:
    """Numbers of several parts as one."""
    if one.kind == "min":
        return column.min()
    return column.max() if one.kind == "max" else column.sum()


def _held(one: Aggregate, type_: Type) -> pl.DataType:
    """The type of a number while it is added up; text has an order, too."""
    if one.kind == "count":
        return pl.Int64()
    if type_.kind == "decimal":
        return pl.Int128()
    return pl.String() if type_.kind == "text" else pl.Int64()


def _shown(name: str, one: Aggregate, type_: Type) -> pl.Expr:
    """A field as the table has it."""
    column = pl.col(name)
    match one.kind:
        case "count" | "distinct":
            return column.fill_null(0).cast(pl.UInt64)
        case "sum" | "min" | "max" | "first" | "last":
            return _of(column, type_)
        case "histogram":
            return column.fill_null(pl.lit([0] * (len(one.bounds or ()) + 1), pl.List(pl.UInt64)))
        case "top" | "newest" | "decayed" | "quantiles":
            return column.fill_null([])
    return column


def _of(column: pl.Expr, type_: Type) -> pl.Expr:
    """Values from the form in which Polars computes them."""
    if type_.kind == "decimal":
        return column.cast(pl.Decimal(38, 0)) * pl.lit(Decimal(1).scaleb(-type_.scale))
    if type_.kind == "time":
        return column.cast(pl.Datetime("ms" if type_.unit == "ms" else "us", "UTC"))
    return column
