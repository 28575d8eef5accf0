"""Two tables of one view, compared key by key and to the last decimal."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

_SIDE = "_side"
_BOTH, _LEFT, _RIGHT = "differ", "only offline", "only in the store"


@dataclass(frozen=True, slots=True)
class Difference:
    """Rows of both tables, sums of their numbers, and the keys whose rows are not the same.

    ``examples``: ``{"key": …, "how": …, "offline": …, "store": …}``, the first of them by key.
    """

    rows: tuple[int, int]
    sums: Mapping[str, tuple[Any, Any]]
    differing: int
    examples: Sequence[Mapping[str, Any]]

    @property
    def same(self) -> bool:
        """Whether there is none."""
        return not self.differing and self.rows[0] == self.rows[1]


def compare(
    offline: pl.DataFrame,
    store: pl.DataFrame,
    key: Sequence[str],
    *,
    within: Mapping[str, float] | None = None,
    examples: int = 5,
) -> Difference:
    """Compare tables of the same columns, each with at most one row a ``key``.

    ``within``: columns of numbers that may differ by a share, because the store estimates them.
    """
    key = list(key)
    values = [name for name in offline.columns if name not in key]
    left, right = (
        _plain(df.select([*key, *values])).with_columns(pl.lit(True).alias(_SIDE))
        for df in (offline, store)
    )
    right = right.cast({name: left.schema[name] for name in key})  # units of time may differ
    joined = left.join(right, on=key, how="full", suffix=" ", coalesce=True, nulls_equal=True)
    unlike = [_unlike(name, joined, (within or {}).get(name, 0.0)) for name in values]
    how = (
        pl.when(pl.col(f"{_SIDE} ").is_null())
        .then(pl.lit(_LEFT))
        .when(pl.col(_SIDE).is_null())
        .then(pl.lit(_RIGHT))
        .when(pl.any_horizontal(unlike) if unlike else pl.lit(False))
        .then(pl.lit(_BOTH))
        .alias(_SIDE)
    )
    found = joined.with_columns(how).filter(pl.col(_SIDE).is_not_null()).sort(key)
    return Difference(
        (offline.height, store.height),
        {name: (left[name].sum(), right[name].sum()) for name in _numeric(left, values)},
        found.height,
        [_example(row, key, values) for row in found.head(examples).to_dicts()],
    )


def _plain(df: pl.DataFrame) -> pl.DataFrame:
    """With types by their meaning: categories as text, all whole numbers as one type."""
    casts: dict[str, pl.DataType] = {}
    for name, dtype in df.schema.items():
        if isinstance(dtype, pl.Categorical | pl.Enum):
            casts[name] = pl.String()
        elif dtype.is_integer():
            casts[name] = pl.Int128()
        elif isinstance(dtype, pl.Datetime):
            casts[name] = pl.Datetime("us", "UTC")
    return df.cast(casts)  # type: ignore[arg-type]


def _numeric(df: pl.DataFrame, values: Collection[str]) -> list[str]:
    return [name for name in values if df.schema[name].is_numeric()]


def _unlike(name: str, joined: pl.DataFrame, share: float) -> pl.Expr:
    one, other = pl.col(name), pl.col(f"{name} ")
    if joined.schema[name].is_nested():
        # Lists and structs of other integer types are the same values.
        pairs = zip(joined[name].to_list(), joined[f"{name} "].to_list(), strict=True)
        unlike = [not _alike(_bare(a), _bare(b), share) for a, b in pairs]
        return pl.lit(pl.Series(unlike, dtype=pl.Boolean))
    if share:
        return (one.cast(pl.Float64) - other.cast(pl.Float64)).abs() > share * one.abs() + 1
    return one.ne_missing(other)


def _alike(one: Any, other: Any, share: float) -> bool:
    if share and isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        return all(math.isclose(a, b, rel_tol=share) for a, b in zip(one, other, strict=True))
    return bool(one == other)


def _bare(value: Any) -> Any:
    """Structs as tuples, whatever their fields are called."""
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return tuple(map(_bare, value.values())) if isinstance(value, dict) else value


def _example(
    row: Mapping[str, Any], key: Sequence[str], values: Sequence[str]
) -> Mapping[str, Any]:
    how = row[_SIDE]
    return {
        "key": {name: row[name] for name in key},
        "how": how,
        "offline": None if how == _RIGHT else {name: row[name] for name in values},
        "store": None if how == _LEFT else {name: row[f"{name} "] for name in values},
    }
