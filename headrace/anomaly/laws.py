"""How a series scatters about what is expected of it: what one minute's deviation is worth.

A law turns a value into a score: about standard normal while nothing is wrong, whatever the
series' size.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

#: Anscombe (1948): with it the root of a Poisson count has a variance near 1/4 from a mean of 2 on.
ANSCOMBE: Final = 3 / 8
_TINY: Final = 1e-12


class Law(Protocol):
    """Arrays have one entry a series. All methods are pure."""

    @property
    def floor(self) -> float:
        """The least dispersion there can be."""

    def base(self, total: Floats, weight: Floats, overall: Floats, dispersion: Floats) -> Floats:
        """What a slot of the season says of exposure 1: from its sums, and the mean of all slots
        where these are few."""

    def drift(self, value: Floats, base: Floats, exposure: Floats) -> tuple[Floats, Floats]:
        """What a minute adds to the two sums of which the level is made."""

    def level(self, above: Floats, of: Floats, dispersion: Floats) -> Floats:
        """How the last hours differ from the profile, from these sums."""

    def expected(self, base: Floats, level: Floats, exposure: Floats) -> Floats:
        """The value that a minute should have."""

    def net(self, value: Floats, level: Floats) -> Floats:
        """The value as it would be at the profile's own level."""

    def score(self, value: Floats, expected: Floats, dispersion: Floats) -> Floats:
        """The deviation in standard deviations, signed."""

    def clipped(self, value: Floats, expected: Floats, dispersion: Floats, at: float) -> Floats:
        """The value, moved to where its score is within ±``at``."""

    def scatter(self, value: Floats, expected: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
        """What a minute adds to the two sums whose quotient is the dispersion."""

    def change(self, value: Floats, expected: Floats) -> Floats:
        """By how much a smoothed value differs from a smoothed expectation: 1 is by all of it."""


@dataclass(frozen=True, slots=True)
class Counts:
    """Counts and sums: variance = dispersion × mean.

    Counts have a dispersion of at least 1 (Poisson). A sum of amounts is a compound Poisson
    variable, whose dispersion is E[amount²] / E[amount]: learned, in the amount's unit. A ratio is
    its numerator, expected by its denominator (the exposure).
    """

    floor: float
    #: So many counts are as good as what all slots say, and as a level of 1.
    slot_prior: float = 5.0
    level_prior: float = 50.0

    def base(self, total: Floats, weight: Floats, overall: Floats, dispersion: Floats) -> Floats:
        prior = self.slot_prior * dispersion
        return (total + prior) / (weight + prior / np.maximum(overall, _TINY))

    def drift(self, value: Floats, base: Floats, exposure: Floats) -> tuple[Floats, Floats]:
        return value, base * exposure

    def level(self, above: Floats, of: Floats, dispersion: Floats) -> Floats:
        prior = self.level_prior * dispersion
        return (above + prior) / (of + prior)

    def expected(self, base: Floats, level: Floats, exposure: Floats) -> Floats:
        return base * level * exposure

    def net(self, value: Floats, level: Floats) -> Floats:
        return value / np.maximum(level, _TINY)

    def score(self, value: Floats, expected: Floats, dispersion: Floats) -> Floats:
        return 2 * (_root(value / dispersion) - _root(expected / dispersion))

    def clipped(self, value: Floats, expected: Floats, dispersion: Floats, at: float) -> Floats:
        middle = _root(expected / dispersion)
        low, high = np.maximum(middle - at / 2, ANSCOMBE**0.5), middle + at / 2
        found: Floats = np.clip(
            value, (low**2 - ANSCOMBE) * dispersion, (high**2 - ANSCOMBE) * dispersion
        )
        return found

    def scatter(self, value: Floats, expected: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
        # Of less than half an event any square is much: one burst of errors would look usual.
        enough = 2 * expected >= dispersion
        return np.where(enough, (value - expected) ** 2, 0.0), np.where(enough, expected, 0.0)

    def change(self, value: Floats, expected: Floats) -> Floats:
        return value / np.maximum(expected, _TINY) - 1


@dataclass(frozen=True, slots=True)
class Levels:
    """Quantiles and other positive measures, by their logarithm: it scatters with one variance."""

    floor: float = 1e-4
    #: So many minutes are as good as a level of 0.
    level_prior: float = 30.0

    def base(self, total: Floats, weight: Floats, overall: Floats, dispersion: Floats) -> Floats:
        return total / np.maximum(weight, _TINY)

    def drift(self, value: Floats, base: Floats, exposure: Floats) -> tuple[Floats, Floats]:
        return value - base, np.ones_like(value)

    def level(self, above: Floats, of: Floats, dispersion: Floats) -> Floats:
        return above / (of + self.level_prior)

    def expected(self, base: Floats, level: Floats, exposure: Floats) -> Floats:
        return base + level

    def net(self, value: Floats, level: Floats) -> Floats:
        return value - level

    def score(self, value: Floats, expected: Floats, dispersion: Floats) -> Floats:
        found: Floats = (value - expected) / np.sqrt(dispersion)
        return found

    def clipped(self, value: Floats, expected: Floats, dispersion: Floats, at: float) -> Floats:
        width = at * np.sqrt(dispersion)
        found: Floats = np.clip(value, expected - width, expected + width)
        return found

    def scatter(self, value: Floats, expected: Floats, dispersion: Floats) -> tuple[Floats, Floats]:
        return (value - expected) ** 2, np.ones_like(value)

    def change(self, value: Floats, expected: Floats) -> Floats:
        return np.expm1(value - expected)


def _root(value: Floats) -> Floats:
    found: Floats = np.sqrt(np.maximum(value, 0.0) + ANSCOMBE)
    return found
