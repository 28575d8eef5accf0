"""Aggregates that need more than a number a key, offline: winners, and counts by member.

Each has parts: rows of key columns and a few of its own, of which any two merge to one, in any
order. ``finished`` makes one value a key from the merged part.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import polars as pl

from headrace.declared import sketch
from headrace.declared.decay import HOUR_MS, epoch_ms, factor
from headrace.declared.plan import Feed
from headrace.declared.rows import MS, part, value
from headrace.frame import OFFSET, PARTITION
from headrace.topology.declared import Aggregate
from headrace.topology.ring import Ring

#: How the numbers of a member merge.
_NUMBERS: Final = {
    "distinct": "max", "top": "sum", "newest": "max", "decayed": "sum", "histogram": "sum",
    "quantiles": "sum",
}  # fmt: skip
_ORDER: Final = ("o.ms", "o.offset", "o.partition", "o.source")
_ENDS: Final = ("first", "last")
KINDS: Final = (*_NUMBERS, *_ENDS)


class Members:
    """One field. ``by`` are the columns that tell keys apart."""

    def __init__(self, name: str, one: Aggregate, by: Sequence[str]) -> None:
        self._name = name
        self._one = one
        self._by = list(by)
        self._parts: list[pl.DataFrame] = []

    def add(self, feed: Feed, made: pl.DataFrame) -> int:
        """Take the rows of a frame (``rows``); returns how many are kept of them."""
        column = pl.col(value(self._name))
        found = made.filter(column.is_not_null())
        self._parts.append(self._merged(self._kept(feed, found)))
        return self._parts[-1].height

    def _kept(self, feed: Feed, found: pl.DataFrame) -> pl.DataFrame:
        return self._ends(feed, found) if self._one.kind in _ENDS else self._counted(found)

    def merge(self) -> None:
        """Make one part of all."""
        if len(self._parts) > 1:
            self._parts = [self._merged(pl.concat(self._parts))]

    def _ends(self, feed: Feed, found: pl.DataFrame) -> pl.DataFrame:
        fed = feed.fields[self._name]
        shown = pl.col(value(self._name))
        if fed.parts:
            shown = pl.struct(pl.col(part(self._name, inner)).alias(inner) for inner in fed.parts)
        order = (pl.col(MS), pl.col(OFFSET), pl.col(PARTITION), pl.lit(feed.number, pl.Int32))
        columns = (expr.alias(name) for expr, name in zip(order, _ORDER, strict=True))
        return found.select(*self._by, *columns, shown.alias("value"))

    def _counted(self, found: pl.DataFrame) -> pl.DataFrame:
        one, column = self._one, pl.col(value(self._name))
        member, number = column, pl.col(MS)
        if one.kind in ("top", "histogram"):
            number = pl.lit(1, pl.Int64)
        elif one.kind == "quantiles":
            member = sketch.bucket(column, one.accuracy or sketch.ACCURACY)
            number = pl.lit(1, pl.Int64)
        elif one.kind == "decayed":
            assert one.half_life_hours is not None
            assert one.landmark is not None
            member = pl.col(part(self._name, "by"))
            found = found.filter(member.is_not_null())
            half_life = one.half_life_hours * HOUR_MS
            number = column * factor(found[MS], half_life, epoch_ms(one.landmark))
        return found.select(*self._by, member.alias("member"), number.alias("n"))

    def _merged(self, rows: pl.DataFrame) -> pl.DataFrame:
        if self._one.kind in _ENDS:
            ordered = rows.sort(*_ORDER).group_by(self._by, maintain_order=True)
            return ordered.first() if self._one.kind == "first" else ordered.last()
        n = pl.col("n").sum() if _NUMBERS[self._one.kind] == "sum" else pl.col("n").max()
        return rows.group_by(*self._by, "member", maintain_order=True).agg(n)

    def finished(self) -> pl.DataFrame:
        """One value a key, in a column of the field's name."""
        self.merge()
        merged, one, name = self._parts[0], self._one, self._name
        groups = merged.group_by(self._by, maintain_order=True)
        match one.kind:
            case "first" | "last":
                return merged.select(*self._by, pl.col("value").alias(name))
            case "distinct":
                return groups.agg(pl.len().cast(pl.UInt64).alias(name))
            case "histogram":
                buckets = range(len(one.bounds or ()) + 1)
                n, member = pl.col("n"), pl.col("member")
                counts = [n.filter(member == i).sum().cast(pl.UInt64) for i in buckets]
                return groups.agg(pl.concat_list(counts).alias(name))
            case "quantiles":
                accuracy = one.accuracy or sketch.ACCURACY
                found = sketch.quantiles(merged, self._by, one.levels or (), accuracy)
                return found.rename({"quantiles": name})
        return self._ranked(merged)

    def _ranked(self, merged: pl.DataFrame) -> pl.DataFrame:
        """Members by number, the greatest first; of equal ones ``newest`` turns members, too."""
        one = self._one
        number = pl.col("n").cast(pl.UInt64) if one.kind == "top" else pl.col("n")
        pair = pl.struct(pl.col("member").alias("value"), number.alias("number"))
        kept = pair if one.n is None else pair.head(one.n)
        ranked = merged.sort("n", "member", descending=[True, one.kind == "newest"])
        return ranked.group_by(self._by, maintain_order=True).agg(kept.alias(self._name))


class RingSums(Members):
    """A count or sum that rings keep: of each slot the sum of its newest bucket."""

    def __init__(self, name: str, rings: Mapping[str, Ring], by: Sequence[str]) -> None:
        self._rings = rings
        super().__init__(name, Aggregate(), by)

    def _kept(self, feed: Feed, found: pl.DataFrame) -> pl.DataFrame:
        made = []
        for ring, declared in self._rings.items():
            bucket = pl.col(MS) // (declared.bucket_s * 1_000)
            number = pl.col(value(self._name)).cast(pl.Int64)
            made.append(
                found.select(
                    *self._by,
                    pl.lit(ring).alias("ring"),
                    (bucket % declared.slots).alias("slot"),
                    bucket.alias("bucket"),
                    number.alias("n"),
                )
            )
        return pl.concat(made)

    def _merged(self, rows: pl.DataFrame) -> pl.DataFrame:
        slot = [*self._by, "ring", "slot"]
        summed = rows.group_by(*slot, "bucket").agg(pl.col("n").sum())
        return summed.filter(pl.col("bucket") == pl.col("bucket").max().over(slot))

    def finished(self) -> pl.DataFrame:
        """One list a key, in a column of the field's name."""
        self.merge()
        one = pl.struct("ring", "bucket", pl.col("n").alias("number")).alias(self._name)
        merged = self._parts[0].sort("ring", "bucket")
        return merged.group_by(self._by, maintain_order=True).agg(one)
