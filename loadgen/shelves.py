"""The catalog: every product is created up front, then prices move."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v
from loadgen.lateness import Lateness
from loadgen.rows import CATALOG, Rows, blank
from loadgen.timeline import Timeline
from loadgen.world import PRODUCT_SKEW, World, zipf

Ints = npt.NDArray[np.int64]


class Shelves:
    """Current prices. ``base_cents`` are those of eu_west; regions' prices follow from them."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.base_cents = world.base_cents.copy()

    def created(self, timeline: Timeline, rng: np.random.Generator) -> Rows:
        """One event a product, in the millisecond-spaced moments before simulated time 0."""
        n = self._world.products
        rows = blank(CATALOG, n, rng)
        rows["send"] = (np.arange(n) - n) * 100
        rows["at"] = timeline.event_ms(rows["send"])
        self._fill(rows, np.arange(n))
        rows["previous"] = -1
        rows["stock"] = np.where(rng.random(n) < 0.9, rng.integers(0, 5_000, n), -1)
        return rows

    def repriced(
        self, timeline: Timeline, late: Lateness, rng: np.random.Generator, at_us: Ints
    ) -> Rows:
        """Price changes at these simulated µs, popular products more often, each product once."""
        wanted = zipf(rng.random(len(at_us)), self._world.products, PRODUCT_SKEW * 0.6)
        products = rng.permutation(np.unique(wanted))
        at_us = at_us[: len(products)]
        rows = blank(CATALOG, len(products), rng)
        rows["send"] = at_us + late.delays(rng, 1.0, len(products))
        rows["at"] = timeline.event_ms(at_us)
        rows["type"] = 1
        region = self._world.product_region[products].astype(np.int64)
        rows["previous"] = self._world.prices(self.base_cents, products, region)
        # About the first price, so that prices don't walk away.
        moved = self._world.base_cents[products] * np.exp(rng.normal(0, 0.08, len(products)))
        self.base_cents[products] = np.maximum(moved.astype(np.int64), 50)
        self._fill(rows, products)
        stock = rng.integers(0, 5_000, len(products))
        rows["stock"] = np.where(rng.random(len(products)) < 0.5, stock, -1)
        return rows

    def _fill(self, rows: Rows, products: Ints) -> None:
        region = self._world.product_region[products].astype(np.int64)
        rows["product"], rows["region"] = products, region
        rows["currency"] = np.array(v.REGION_CURRENCY)[region]
        rows["price"] = self._world.prices(self.base_cents, products, region)
