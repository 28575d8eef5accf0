"""The control chart: when a run of deviations is an anomaly, and when it is over.

An exponentially weighted moving average of scores with limits at a multiple of its own standard
deviation (S. W. Roberts, "Control Chart Tests Based on Geometric Moving Averages", Technometrics 1,
1959). It finds a small shift that lasts as well as a large one that does not: single minutes of a
series with few events say little, ten of them say much.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from headrace.anomaly.laws import Floats, Law
from headrace.anomaly.profile import Mask

#: A score counts up to so much: what was far out is back soon after it is over.
MOST: Final = 8.0


@dataclass(frozen=True, slots=True)
class Limits:
    """What is an anomaly: ``width`` standard deviations of the average and at least ``change`` (a
    share of what is expected), in this direction, for so many minutes in a row.

    ``smooth`` is the average's span in minutes: as much scatter as the mean of so many has.
    """

    width: float
    change: float
    direction: Literal["up", "down", "both"]
    minutes: int
    smooth: int

    @property
    def weight(self) -> float:
        """Of the newest minute in the average."""
        return 2 / (self.smooth + 1)

    @property
    def limit(self) -> float:
        """What the average must pass."""
        return self.width * math.sqrt(self.weight / (2 - self.weight))


class Chart:
    """The state of ``n`` series. ``opened`` is the first minute out of bounds, 0 when closed."""

    #: The arrays that are its state.
    ARRAYS: Final = ("average", "value", "expected", "out", "within", "opened")

    def __init__(self, law: Law, limits: Limits) -> None:
        self._law = law
        self._limits = limits
        self.average, self.value, self.expected = np.zeros(0), np.zeros(0), np.zeros(0)
        self.out, self.within, self.opened = np.zeros(0), np.zeros(0), np.zeros(0)

    def judge(
        self, minute: int, score: Floats, value: Floats, expected: Floats, which: Mask
    ) -> tuple[Mask, Mask]:
        """Take in a minute of the series ``which``; returns those that open and that close."""
        weight, score = self._limits.weight, np.clip(score, -MOST, MOST)
        for name, new in (("average", score), ("value", value), ("expected", expected)):
            held = getattr(self, name)
            setattr(self, name, np.where(which, held + weight * (new - held), held))
        outside = which & self._outside()
        self.out = np.where(which, np.where(outside, self.out + 1, 0), self.out)
        self.within = np.where(which, np.where(outside, 0, self.within + 1), self.within)
        closed = self.opened == 0
        opens = closed & outside & (self.out >= self._limits.minutes)
        closes = ~closed & which & (self.within >= self._limits.minutes)
        self.opened = np.where(opens, minute - self.out + 1, self.opened)
        self.opened = np.where(closes, 0, self.opened)
        return opens, closes

    def close(self, which: Mask) -> None:
        """Forget what these series were out of bounds with."""
        for name in self.ARRAYS:
            setattr(self, name, np.where(which, 0.0, getattr(self, name)))

    @property
    def quiet(self) -> Mask:
        """Which series are neither open nor out of bounds, so that they may be learned from."""
        found: Mask = (self.opened == 0) & (self.out == 0)
        return found

    def change(self) -> Floats:
        """How far each series is from what is expected, lately; -1 is all of it."""
        return self._law.change(self.value, self.expected)

    def _outside(self) -> Mask:
        limits = self._limits
        sides = {"up": self.average, "down": -self.average, "both": np.abs(self.average)}
        far: Mask = sides[limits.direction] > limits.limit
        return far & (np.abs(self.change()) >= limits.change)
