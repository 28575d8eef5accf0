"""Sections of the personalization features: ``redis.user*``, ``redis.product:*``."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from loadgen import vocabulary as v
from loadgen.ledger import decay
from loadgen.ledger.facts import Facts, Lines, shopping
from loadgen.ledger.fold import Fold
from loadgen.ledger.values import entries, floats, label, last, number
from loadgen.world import World

Ints = npt.NDArray[np.int64]

RECENT = 50
METRICS = ("views", "carts", "orders", "spend")
VIEWS, CARTS, ORDERS, SPEND = range(4)
DEMAND = ("views", "carts", "purchases", "units")
#: Grain of a ring: its letter, the length of a bucket in ms, how many slots.
GRAINS = (("m", 300_000, 12), ("h", 3_600_000, 24), ("d", 86_400_000, 30))
WEIGHTS = {v.PRODUCT_VIEW: 1, v.CART_ADD: 3}
LINE_WEIGHT = 8


def _newest(slots: int) -> pl.Expr:
    """Rows whose bucket is the newest of its slot: an older one never comes back."""
    slot = (pl.col("bucket") % slots).alias("slot")
    return pl.col("bucket") == pl.col("bucket").max().over("user", "metric", slot)


def _most_recent(rows: pl.DataFrame) -> pl.DataFrame:
    """The 50 greatest (at, product) of each user. Ids of products sort as their codes do."""
    full = pl.len().over("user") > RECENT
    few, many = rows.filter(~full), rows.filter(full)
    if many.is_empty():
        return rows
    best = many.sort("at", "product", descending=True).group_by("user").head(RECENT)
    return pl.concat([few, best.select(few.columns)])


class Features:
    """All features. Arrays over users or products are dense, what is by both is folded."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._seen_at = np.full(world.users, -1, np.int64)
        self._seen_type = np.zeros(world.users, np.int8)
        self._rings = {
            grain: Fold(
                ["user", "metric", "bucket"],
                {"sum": "sum"},
                lambda rows, slots=slots: rows.filter(_newest(slots)),  # type: ignore[misc]
            )
            for grain, _, slots in GRAINS
        }
        self._recent = Fold(["user", "product"], {"at": "max"}, _most_recent)
        self._categories = Fold(["user", "category"], {"score": "sum"})
        self._products = Fold(["user", "product"], {"score": "sum"})
        self._demand = np.zeros((world.products, 4), np.int64)  # views, carts, purchases, units
        self._trending = np.zeros(world.products)
        self._carts = Fold(["user", "product"], {"units": "sum"})

    def sessions(self, facts: Facts) -> None:
        self._see(facts)
        rows = shopping(facts)
        views, adds, removes = (rows[t] for t in (v.PRODUCT_VIEW, v.CART_ADD, v.CART_REMOVE))
        self._recent.add(user=views["user"], product=views["product"], at=views["at"])
        for metric, which in ((VIEWS, views), (CARTS, adds)):
            self._count(which["user"], metric, which["at"], 1)
            np.add.at(self._demand[:, metric], which["product"], 1)
        for kind, weight in WEIGHTS.items():
            which = rows[kind]
            self._like(which["user"], which["product"], which["at"], weight)
        for sign, which in ((1, adds), (-1, removes)):
            units = sign * which["quantity"].astype(np.int64)
            self._carts.add(user=which["user"], product=which["product"], units=units)

    def orders(self, facts: Facts, lines: Lines) -> None:
        placed = facts.rows[facts.rows["type"] == v.PLACED]
        self._count(placed["user"], ORDERS, placed["at"], 1)
        self._count(placed["user"], SPEND, placed["at"], placed["total"])
        np.add.at(self._demand[:, 2], lines.product, 1)
        np.add.at(self._demand[:, 3], lines.product, lines.quantity)
        user, product = lines.user.astype(np.int32), lines.product.astype(np.int32)
        self._like(user, product, lines.at, LINE_WEIGHT)
        self._carts.add(user=user, product=product, units=-lines.quantity)

    def _see(self, facts: Facts) -> None:
        """Last event of each user; of one millisecond the later sent, so a tie replaces."""
        user, at = facts.rows["user"], facts.rows["at"]
        np.maximum.at(self._seen_at, user, at)
        newest = at == self._seen_at[user]
        # Of several rows for one user NumPy keeps the last one assigned.
        self._seen_type[user[newest]] = facts.rows["type"][newest]

    def _count(self, user: npt.NDArray[np.int32], metric: int, at: Ints, delta: Ints | int) -> None:
        for grain, length, _ in GRAINS:
            self._rings[grain].add(user=user, metric=metric, bucket=at // length, sum=delta)

    def _like(
        self,
        user: npt.NDArray[np.int32],
        product: npt.NDArray[np.int32],
        at: Ints,
        weight: int,
    ) -> None:
        score = decay.growth(at, decay.AFFINITY_MS) * weight
        category = self._world.product_category[product]
        self._categories.add(user=user, category=category, score=score)
        self._products.add(user=user, product=product, score=score)
        np.add.at(self._trending, product, decay.growth(at, decay.TRENDING_MS) * weight)

    def sections(self) -> dict[str, pl.DataFrame]:
        """The keyspaces' sections."""
        recent = _most_recent(self._recent.frame())
        carts = self._carts.frame().filter(pl.col("units") != 0)
        scores = self._categories.frame()
        return {
            "redis.user": pl.concat([self._last_seen(), *map(self._ring, GRAINS)]),
            "redis.user:recent": self._by_product(recent, floats(recent, "at")),
            "redis.user:affinity:category": entries(
                scores.with_columns(floats(scores, "score")),
                label("user", self._world.user_ids),
                label("category", v.CATEGORIES),
                pl.col("score"),
            ),
            "redis.user:affinity:product": self._by_product(
                liked := self._products.frame(), floats(liked, "score")
            ),
            "redis.product:demand": self._demanded(),
            "redis.product:trending": self._trend(),
            "redis.cart": self._by_product(carts, carts["units"]),
        }

    def _by_product(self, frame: pl.DataFrame, values: pl.Series) -> pl.DataFrame:
        return entries(
            frame.with_columns(values.alias("value")),
            label("user", self._world.user_ids),
            label("product", self._world.product_ids),
            pl.col("value"),
        )

    def _last_seen(self) -> pl.DataFrame:
        user = np.flatnonzero(self._seen_at >= 0)
        frame = pl.DataFrame(
            {"user": user, "at": self._seen_at[user], "type": self._seen_type[user]}
        )
        kind = label("type", v.SESSION_TYPES)
        json = pl.concat_str(
            pl.lit('{"at":'), number("at"), pl.lit(',"type":"'), kind, pl.lit('"}')
        )
        return entries(frame, label("user", self._world.user_ids), pl.lit("seen"), last("at", json))

    def _ring(self, grain: tuple[str, int, int]) -> pl.DataFrame:
        letter, _, slots = grain
        slot = (pl.col("bucket") % slots).cast(pl.String)
        return entries(
            self._rings[letter].frame().filter(_newest(slots)),
            label("user", self._world.user_ids),
            pl.concat_str(label("metric", METRICS), pl.lit(f":{letter}"), slot),
            pl.concat_str("bucket", pl.lit(":"), "sum"),
        )

    def _demanded(self) -> pl.DataFrame:
        product, counter = np.nonzero(self._demand)
        count = self._demand[product, counter]
        return entries(
            pl.DataFrame({"product": product, "counter": counter, "count": count}),
            label("product", self._world.product_ids),
            label("counter", DEMAND),
            pl.col("count"),
        )

    def _trend(self) -> pl.DataFrame:
        product = np.flatnonzero(self._trending)
        frame = pl.DataFrame({"product": product, "score": self._trending[product]})
        return entries(
            frame.with_columns(floats(frame, "score")),
            pl.lit("all"),
            label("product", self._world.product_ids),
            pl.col("score"),
        )
