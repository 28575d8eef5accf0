"""What is expected of many series at a minute: season and level, and how they scatter about it.

Holt-Winters as Brutlag used it on network traffic ("Aberrant Behavior Detection in Time Series for
Network Monitoring", LISA 2000): an exponentially weighted level, a profile by slots of the season,
and a deviation learned along with them. The sums here are decayed, so that their quotients are
exponentially weighted means from the first value on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from headrace.anomaly.laws import Floats, Law

Mask = npt.NDArray[np.bool_]

#: Half of what the level and the dispersion know is from so many minutes.
LEVEL_HALF_LIFE: Final = 360.0
SCATTER_HALF_LIFE: Final = 2_880.0
#: Values further away are learned as if they were at so many standard deviations; how series
#: scatter is not learned from them.
CLIP: Final = 3.0
#: The dispersion is the law's least before so much was seen.
SCATTER_PRIOR: Final = 5.0
_LEVEL_DECAY: Final = 0.5 ** (1 / LEVEL_HALF_LIFE)
_SCATTER_DECAY: Final = 0.5 ** (1 / SCATTER_HALF_LIFE)


@dataclass(frozen=True, slots=True)
class Season:
    """Its length and that of its slots, in minutes, and how many seasons the profile remembers."""

    minutes: int
    slot: int
    memory: float

    @property
    def slots(self) -> int:
        """How many there are."""
        return self.minutes // self.slot

    def slot_of(self, minute: int) -> int:
        """The slot of a minute since the epoch."""
        return minute % self.minutes // self.slot

    @property
    def decay(self) -> float:
        """Of a slot's sums, with each minute that it learns."""
        return float(0.5 ** (1 / (self.memory * self.slot)))


class Profile:
    """The state of ``n`` series, a row each. ``seen`` counts the minutes learned."""

    #: The arrays that are its state.
    ARRAYS: Final = ("total", "weight", "above", "of", "squares", "scale", "seen")

    def __init__(self, law: Law, season: Season) -> None:
        self._law = law
        self._season = season
        self.total = np.zeros((0, season.slots))
        self.weight = np.zeros((0, season.slots))
        self.above, self.of = np.zeros(0), np.zeros(0)
        self.squares, self.scale = np.zeros(0), np.zeros(0)
        self.seen = np.zeros(0)

    def expected(self, minute: int, exposure: Floats) -> tuple[Floats, Floats]:
        """The value that each series should have, and its dispersion."""
        dispersion = self._dispersion()
        level = self._law.level(self.above, self.of, dispersion)
        return self._law.expected(self._base(minute, dispersion), level, exposure), dispersion

    def known(self, minute: int, exposure: Floats) -> Mask:
        """For which series the minute's slot has seen about a season."""
        weight = self.weight[:, self._season.slot_of(minute)]
        found: Mask = 2 * weight >= exposure * self._season.slot
        return found

    def score(self, minute: int, value: Floats, exposure: Floats) -> tuple[Floats, Floats]:
        """Deviations in standard deviations of value and expectation; and the expectations."""
        expected, dispersion = self.expected(minute, exposure)
        weight = self.weight[:, self._season.slot_of(minute)]
        unsure = np.sqrt(1 + exposure / np.maximum(weight, exposure + 1e-12))
        return self._law.score(value, expected, dispersion) / unsure, expected

    def learn(self, minute: int, value: Floats, exposure: Floats, which: Mask, sure: Mask) -> None:
        """Take in a minute of the series ``which``; outliers of those that are ``sure`` clipped."""
        slot, law = self._season.slot_of(minute), self._law
        expected, dispersion = self.expected(minute, exposure)
        far = sure & (np.abs(law.score(value, expected, dispersion)) > CLIP)
        value = np.where(far, law.clipped(value, expected, dispersion, CLIP), value)
        weight = self.weight[:, slot]
        # What a slot has not seen in a season yet tells neither scatter nor level.
        known = which & self.known(minute, exposure)
        squares, scale = law.scatter(value, expected)
        squares = squares * (weight / np.maximum(weight + exposure, 1e-12))
        usual = known & ~far
        self.squares = np.where(usual, self.squares * _SCATTER_DECAY + squares, self.squares)
        self.scale = np.where(usual, self.scale * _SCATTER_DECAY + scale, self.scale)
        above, of = law.drift(value, self._base(minute, dispersion), exposure)
        self.above = np.where(known, self.above * _LEVEL_DECAY + above, self.above)
        self.of = np.where(known, self.of * _LEVEL_DECAY + of, self.of)
        decay = self._season.decay
        self.total[which, slot] = self.total[which, slot] * decay + value[which]
        self.weight[which, slot] = self.weight[which, slot] * decay + exposure[which]
        self.seen = self.seen + which

    def drift(self, minute: int, value: Floats, exposure: Floats) -> tuple[Floats, Floats]:
        """What a minute would add to the sums of the level."""
        return self._law.drift(value, self._base(minute, self._dispersion()), exposure)

    def adopt(self, which: Mask, above: Floats, of: Floats) -> None:
        """Take these sums for the level of some series: what they do now is how it is."""
        self.above = np.where(which, above, self.above)
        self.of = np.where(which, of, self.of)

    def _dispersion(self) -> Floats:
        floor = self._law.floor
        found = (self.squares + SCATTER_PRIOR * floor) / (self.scale + SCATTER_PRIOR)
        return np.maximum(found, floor)

    def _base(self, minute: int, dispersion: Floats) -> Floats:
        slot = self._season.slot_of(minute)
        overall = self.total.sum(axis=1) / np.maximum(self.weight.sum(axis=1), 1e-12)
        return self._law.base(self.total[:, slot], self.weight[:, slot], overall, dispersion)
