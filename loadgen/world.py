"""Who and what there is: users with habits, products with prices, and how popular each is."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v
from loadgen.config import LoadConfig
from loadgen.text import Dictionary, numbered, strings

Floats = npt.NDArray[np.float64]
Codes = npt.NDArray[np.int64]

USER_SKEW = 0.75  # Zipf exponents
PRODUCT_SKEW = 0.95
FAVOURITES = 3


def zipf(u: Floats, sizes: npt.ArrayLike, skew: float) -> Codes:
    """Ranks 0..size-1 from uniforms by the inverse of a continuous power law of exponent ``skew``.

    ``sizes`` may differ by element, which is why this is a formula and not a table.
    """
    n = np.asarray(sizes, np.float64)
    power = 1.0 - skew
    ranks = (((n + 1.0) ** power - 1.0) * u + 1.0) ** (1.0 / power) - 1.0
    return np.minimum(ranks.astype(np.int64), np.asarray(sizes, np.int64) - 1)


def choose(u: Floats, weights: npt.ArrayLike) -> Codes:
    """Codes from uniforms by weights."""
    edges = np.cumsum(np.asarray(weights, np.float64))
    return np.searchsorted(edges / edges[-1], u, side="right").clip(max=len(edges) - 1)


class World:
    """The population. Everything here follows from the configuration alone.

    Users stand in the order of their regions, the busiest of a region first. Product ``code`` is of
    category ``code % 24``; lower codes are more popular.
    """

    def __init__(self, config: LoadConfig) -> None:
        rng = np.random.default_rng([config.seed, 0xB0B])
        self.users = config.users
        self.products = config.products
        self._people(rng)
        self._shelves(rng)

    def _people(self, rng: np.random.Generator) -> None:
        shares = np.array(v.REGION_WEIGHTS)
        counts = np.maximum((shares * self.users).astype(np.int64), 1)
        counts[0] += self.users - counts.sum()
        self.region_size = counts
        self.region_start = np.concatenate([[0], np.cumsum(counts)[:-1]])
        self.user_region = np.repeat(np.arange(len(counts)), counts).astype(np.int8)
        self.user_device = choose(rng.random(self.users), v.DEVICE_WEIGHTS).astype(np.int8)
        self.user_method = choose(rng.random(self.users), v.METHOD_WEIGHTS).astype(np.int8)
        picks = rng.random((self.users, FAVOURITES))
        self.user_favourites = zipf(picks.ravel(), len(v.CATEGORIES), 0.6).reshape(picks.shape)
        ids = numbered("u", np.arange(self.users), 7)
        self.user_ids = Dictionary(strings(ids))

    def _shelves(self, rng: np.random.Generator) -> None:
        codes = np.arange(self.products)
        self.product_category = (codes % len(v.CATEGORIES)).astype(np.int8)
        self.product_region = choose(rng.random(self.products), v.REGION_WEIGHTS).astype(np.int8)
        self.base_cents = np.exp(rng.normal(math.log(2_900), 0.9, self.products)).astype(np.int64)
        self.base_cents = np.clip(self.base_cents, 99, 400_000)
        self.product_ids = Dictionary(strings(numbered("p", codes, 6)))
        names = [
            f"{v.ADJECTIVES[code * 7 % len(v.ADJECTIVES)]} "
            f"{v.NOUNS[code % len(v.NOUNS)]} {code // len(v.NOUNS) + 1}"
            for code in codes.tolist()
        ]
        self.product_names = Dictionary(names)

    def visitors(self, rng: np.random.Generator, regions: Codes) -> Codes:
        """One user for each region asked for, busy ones more often."""
        rank = zipf(rng.random(len(regions)), self.region_size[regions], USER_SKEW)
        users: Codes = self.region_start[regions] + rank
        return users

    def interests(self, rng: np.random.Generator, users: Codes) -> Codes:
        """One product for each user: half by general popularity, half from a favourite category."""
        n = len(users)
        groups = len(v.CATEGORIES)
        anything = zipf(rng.random(n), self.products, PRODUCT_SKEW)
        category = self.user_favourites[users, rng.integers(0, FAVOURITES, n)]
        depth = (self.products - category + groups - 1) // groups
        favourite = zipf(rng.random(n), depth, PRODUCT_SKEW) * groups + category
        return np.where(rng.random(n) < 0.5, anything, favourite)

    def prices(self, base: Codes, products: Codes, regions: Codes) -> Codes:
        """Prices in cents of the regions' currencies, from current base prices in cents."""
        factor = np.array(v.REGION_PRICE)[regions]
        cents: Codes = np.rint(base[products] * factor).astype(np.int64)
        return cents
