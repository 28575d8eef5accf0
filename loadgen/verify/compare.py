"""Two states side by side. An item is one value column of one row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from headrace.topology.model import Topology
from loadgen.verify.state import QUANTILES, State, keys_of

#: Quantiles come from sketches of 1 % on either side.
TOLERANCE = 0.025


@dataclass(frozen=True, slots=True)
class Difference:
    """One item that is not equal. ``None`` means that the row is not there at all."""

    section: str
    key: str
    column: str
    expected: Any
    found: Any


@dataclass(frozen=True, slots=True)
class Section:
    """The outcome for one section of one comparison."""

    comparison: str
    section: str
    compared: int
    differing: int
    examples: list[Difference] = field(default_factory=list)


def compare(
    name: str, expected: State, found: State, topology: Topology, examples: int
) -> Iterable[Section]:
    """Compare every section that either side has."""
    for section in sorted({*expected, *found}):
        left, right = expected.get(section), found.get(section)
        if left is None or right is None:
            there = left if left is not None else right
            assert there is not None
            left = there.clear() if left is None else left
            right = there.clear() if right is None else right
        yield _section(name, section, left, right, topology, examples)


def _section(
    name: str,
    section: str,
    left: pl.DataFrame,
    right: pl.DataFrame,
    topology: Topology,
    examples: int,
) -> Section:
    keys = keys_of(section, topology)
    values = [c for c in left.columns if c not in keys]
    missing = [c for c in values if c not in right.columns]
    if missing:
        raise ValueError(f"{name}: section {section!r} lacks columns {missing}")
    joined = left.join(right, on=keys, how="full", suffix="_found", coalesce=True)
    compared, differing = 0, 0
    shown: list[Difference] = []
    for column in values:
        wrong = joined.filter(~_equal(column))
        compared += joined.height
        differing += wrong.height
        for row in wrong.head(max(0, examples - len(shown))).to_dicts():
            key = ", ".join(f"{k}={row[k]}" for k in keys)
            shown.append(Difference(section, key, column, row[column], row[f"{column}_found"]))
    return Section(name, section, compared, differing, shown)


def _equal(column: str) -> pl.Expr:
    expected, found = pl.col(column), pl.col(f"{column}_found")
    if column in QUANTILES:
        near = (expected - found).abs() <= TOLERANCE * expected.abs()
        return near.fill_null(False)
    return expected.eq_missing(found)
