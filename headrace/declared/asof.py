"""A declaration as it was at moments of event time: never with an event that came to pass later.

Each row asked for becomes a key of its own: the events of its key (and window) up to its moment.
So the aggregates are those of ``batch``, and every row is right by itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import polars as pl

from headrace.declared.batch import Table
from headrace.declared.plan import Feed, Plan
from headrace.declared.planned import planned
from headrace.declared.rows import MS, key
from headrace.declared.shape import Shape
from headrace.declared.windows import BEGIN
from headrace.errors import ConfigError
from headrace.schema import Registry
from headrace.topology.model import Topology

#: Columns of what is asked for, beside the keys: a moment, ms since 1970, and a number of the row.
AT: Final = "_at"
ROW: Final = "_row"
#: Events times the moments of their keys that are looked at together.
_PAIRS: Final = 4_000_000


def values(
    topology: Topology,
    registry: Registry,
    name: str,
    asked: pl.DataFrame,
    frames: Iterable[tuple[str, pl.DataFrame]],
) -> pl.DataFrame:
    """The declaration's fields for each row asked for, as the store had them at its moment.

    ``asked`` has the keys, ``AT`` and ``ROW``; ``frames`` are as for ``batch.table``, in any order.
    Of a window it is the one that the moment lies in; of sliding ones that which began first. Rows
    for which there was nothing are left out. Raises ConfigError when a key has another type.
    """
    plan = planned(topology, registry, name)
    shapes = {t: Shape.of(registry.latest(topology.topics[t].schema_)) for t in plan.feeds}
    made = _AsOf(plan, shapes, asked)
    for topic, df in frames:
        if topic in plan.feeds:
            made.add(plan.feeds[topic], df)
    return made.done()


class _AsOf(Table):
    """The table by ``ROW``."""

    def __init__(self, plan: Plan, shapes: Mapping[str, Shape], asked: pl.DataFrame) -> None:
        self._keys = [key(one) for one in plan.declared.key]
        self._on = [*self._keys, *([BEGIN] if plan.begins else [])]
        self._asked = asked.select(*(pl.col(n).alias(key(n)) for n in plan.declared.key), AT, ROW)
        if plan.begins is not None:
            # A sliding window that began first has most of its length behind it.
            inside = plan.begins.rows(self._asked, pl.col(AT))
            self._asked = inside.sort(BEGIN).unique(ROW, keep="first", maintain_order=True)
        counts = self._asked.group_by(self._on).len()["len"] if self._on else [asked.height]
        self._step = max(_PAIRS // max(1, *counts), 1)
        self._typed = False
        super().__init__(plan, shapes, by=[ROW])

    def take(self, feed: Feed, made: pl.DataFrame) -> None:
        made = made.with_columns(_text(made, self._keys))
        if not self._typed:
            self._typed = True
            self._asked = self._asked.with_columns(_alike(self._asked, made, self._keys))
        for part in made.iter_slices(self._step) if made.height else [made]:
            if self._on:
                pairs = part.join(self._asked, on=self._on, how="inner")
            else:
                pairs = part.join(self._asked, how="cross")
            super().take(feed, pairs.filter(pl.col(MS) <= pl.col(AT)))

    def _columns(self) -> Iterator[pl.Expr]:
        yield pl.col(ROW)
        # Window and keys come first; they are those of the row.
        own = len(self._plan.declared.key) + (self._plan.declared.window is not None)
        yield from list(super()._columns())[own:]


def _text(made: pl.DataFrame, keys: Iterable[str]) -> list[pl.Expr]:
    """Enums as the text that they stand for."""
    kinds = (pl.Enum, pl.Categorical)
    return [pl.col(k).cast(pl.String) for k in keys if isinstance(made.schema[k], kinds)]


def _alike(asked: pl.DataFrame, made: pl.DataFrame, keys: Iterable[str]) -> list[pl.Series]:
    """The keys asked for, in the types that the events give them."""
    found = []
    for name in keys:
        try:
            found.append(asked[name].cast(made.schema[name]))
        except pl.exceptions.PolarsError as error:
            raise ConfigError(
                f"--as-of: column {name.removeprefix('key.')!r} is {asked.schema[name]}; the key "
                f"is {made.schema[name]}: {error}"
            ) from error
    return found
