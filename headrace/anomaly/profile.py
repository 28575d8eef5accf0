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
_TINY: Final = 1e-12
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


@dataclass(frozen=True, slots=True)
class Outlook:
    """A minute of every series before its values: arrays have one entry a series.

    ``known`` are those of which the slot has seen about a season.
    """

    slot: int
    exposure: Floats
    weight: Floats
    base: Floats
    level: Floats
    dispersion: Floats
    expected: Floats
    known: Mask


class Profile:
    """The state of ``n`` series, a row each."""

    #: The arrays that are its state.
    ARRAYS: Final = ("total", "weight", "above", "of", "squares", "scale")

    def __init__(self, law: Law, season: Season) -> None:
        self._law = law
        self._season = season
        self.total = np.zeros((0, season.slots))
        self.weight = np.zeros((0, season.slots))
        self.above, self.of = np.zeros(0), np.zeros(0)
        self.squares, self.scale = np.zeros(0), np.zeros(0)

    def outlook(self, minute: int, exposure: Floats) -> Outlook:
        """What is known of a minute before its values are."""
        slot, law = self._season.slot_of(minute), self._law
        floor = law.floor
        dispersion = (self.squares + SCATTER_PRIOR * floor) / (self.scale + SCATTER_PRIOR)
        dispersion = np.maximum(dispersion, floor)
        weight = self.weight[:, slot]
        overall = self.total.sum(axis=1) / np.maximum(self.weight.sum(axis=1), _TINY)
        base = law.base(self.total[:, slot], weight, overall, dispersion)
        level = law.level(self.above, self.of, dispersion)
        expected = law.expected(base, level, exposure)
        known = 2 * weight >= exposure * self._season.slot
        return Outlook(slot, exposure, weight, base, level, dispersion, expected, known)

    def score(self, outlook: Outlook, value: Floats) -> Floats:
        """Deviations in standard deviations, those of value and expectation together."""
        exposure = outlook.exposure
        unsure = np.sqrt(1 + exposure / np.maximum(outlook.weight, exposure + _TINY))
        found: Floats = self._law.score(value, outlook.expected, outlook.dispersion) / unsure
        return found

    def drift(self, outlook: Outlook, value: Floats) -> tuple[Floats, Floats]:
        """What a minute would add to the sums of the level."""
        return self._law.drift(value, outlook.base, outlook.exposure)

    def learn(self, outlook: Outlook, value: Floats, which: Mask, sure: Mask) -> None:
        """Take in a minute of the series ``which``; outliers of those that are ``sure`` clipped."""
        slot, law, exposure = outlook.slot, self._law, outlook.exposure
        far = sure & (np.abs(law.score(value, outlook.expected, outlook.dispersion)) > CLIP)
        clipped = law.clipped(value, outlook.expected, outlook.dispersion, CLIP)
        value = np.where(far, clipped, value)
        # What a slot has not seen in a season yet tells neither scatter nor level.
        known = which & outlook.known
        above, of = self.drift(outlook, value)
        self.above = np.where(known, self.above * _LEVEL_DECAY + above, self.above)
        self.of = np.where(known, self.of * _LEVEL_DECAY + of, self.of)
        squares, scale = law.scatter(value, outlook.expected, outlook.dispersion)
        squares = squares * (outlook.weight / np.maximum(outlook.weight + exposure, _TINY))
        usual = known & ~far
        self.squares = np.where(usual, self.squares * _SCATTER_DECAY + squares, self.squares)
        self.scale = np.where(usual, self.scale * _SCATTER_DECAY + scale, self.scale)
        # The season's profile is of what the level leaves, as in Holt-Winters' own.
        value = law.net(value, outlook.level)
        decay = self._season.decay
        self.total[which, slot] = self.total[which, slot] * decay + value[which]
        self.weight[which, slot] = self.weight[which, slot] * decay + exposure[which]

    def adopt(self, which: Mask, above: Floats, of: Floats) -> None:
        """Take these sums for the level of some series: what they do now is how it is."""
        self.above = np.where(which, above, self.above)
        self.of = np.where(which, of, self.of)
