"""One watch: judges the minutes of its series, and learns from those that are as ever."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from headrace.anomaly.chart import Chart, Limits
from headrace.anomaly.laws import Floats, Law
from headrace.anomaly.profile import Mask, Profile, Season

#: The values of a series' dimensions, in the watch's order.
Labels = tuple[str, ...]
#: The value of a minute and its exposure: 1, or the denominator of a ratio whose numerator it is.
Values = Mapping[Labels, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Spec:
    """What a detector is made of. ``zeros``: a series without a value had none, and not no data."""

    law: Law
    season: Season
    limits: Limits
    zeros: bool
    logarithms: bool
    learn_minutes: int
    adopt_minutes: int
    max_series: int


@dataclass(frozen=True, slots=True)
class Change:
    """A series left its bounds, came back, or what it does was adopted. Minutes since the epoch.

    ``change`` is how far it was from what was expected, smoothed: -1 is all of it.
    """

    labels: Labels
    state: Literal["opened", "closed", "adopted"]
    minute: int
    change: float


class Detector:
    """State of one watch. Minutes come in order, each once; memory is bounded by ``max_series``."""

    ARRAYS: Final = ("since", "above", "of")

    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._index: dict[Labels, int] = {}
        self._profile = Profile(spec.law, spec.season)
        self._chart = Chart(spec.law, spec.limits)
        self.since = np.zeros(0)  # the first minute of each series
        self.above, self.of = np.zeros(0), np.zeros(0)  # the level's sums while open

    @property
    def series(self) -> int:
        """How many are watched."""
        return len(self._index)

    def judge(self, minute: int, values: Values) -> list[Change]:
        """Take in a complete minute; returns what changed, in the order of the series."""
        self._admit(minute, values)
        value, exposure, given = self._columns(values)
        profile, chart = self._profile, self._chart
        sure = given & (minute - self.since >= self._spec.learn_minutes)
        outlook = profile.outlook(minute, exposure)
        score = profile.score(outlook, value)
        opens, closes = chart.judge(minute, score, value, outlook.expected, sure & outlook.known)
        is_open = chart.opened > 0
        above, of = profile.drift(outlook, value)
        self.above = np.where(is_open, self.above + np.where(given, above, 0.0), 0.0)
        self.of = np.where(is_open, self.of + np.where(given, of, 0.0), 0.0)
        # What is open is not learned from; what stays open for so long is no anomaly.
        stale = is_open & (minute - chart.opened >= self._spec.adopt_minutes)
        changes = [
            *self._changes(opens, "opened", chart.opened),
            *self._changes(closes, "closed", np.full(len(value), float(minute))),
            *self._changes(stale, "adopted", np.full(len(value), float(minute))),
        ]
        profile.adopt(stale, self.above, self.of)
        chart.close(stale)
        profile.learn(outlook, value, given & chart.quiet, sure)
        return changes

    def dump(self) -> dict[str, Any]:
        """The state, as msgpack takes it."""
        return {
            "labels": list(self._index),
            "arrays": {
                f"{part}.{name}": getattr(held, name).tobytes()
                for part, held, name in self._state()
            },
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on where a detector of the same spec was."""
        self._index = {tuple(labels): i for i, labels in enumerate(state["labels"])}
        for part, held, name in self._state():
            shape = (len(self._index), *getattr(held, name).shape[1:])
            data = np.frombuffer(state["arrays"][f"{part}.{name}"], np.float64)
            setattr(held, name, data.reshape(shape).copy())

    def _state(self) -> Iterable[tuple[str, Any, str]]:
        for part, held in (("profile", self._profile), ("chart", self._chart), ("self", self)):
            for name in held.ARRAYS:
                yield part, held, name

    def _admit(self, minute: int, values: Values) -> None:
        """Make room for series not seen before, in the order of their labels."""
        room = self._spec.max_series - len(self._index)
        new = sorted(labels for labels in values if labels not in self._index)[:room]
        if not new:
            return
        self._index |= {labels: len(self._index) + i for i, labels in enumerate(new)}
        for _, held, name in self._state():
            array = getattr(held, name)
            fill = float(minute) if name == "since" else 0.0
            more = np.full((len(new), *array.shape[1:]), fill)
            setattr(held, name, np.concatenate([array, more]))

    def _columns(self, values: Values) -> tuple[Floats, Floats, Mask]:
        """Value and exposure of each series, and which of them have any."""
        n = len(self._index)
        value, exposure = np.zeros(n), np.ones(n)
        given = np.full(n, self._spec.zeros)
        for labels, (found, weight) in values.items():
            i = self._index.get(labels)
            if i is None or weight <= 0 or (self._spec.logarithms and found <= 0):
                continue
            value[i] = math.log(found) if self._spec.logarithms else found
            exposure[i], given[i] = weight, True
        return value, exposure, given

    def _changes(
        self, which: Mask, state: Literal["opened", "closed", "adopted"], minutes: Floats
    ) -> list[Change]:
        if not which.any():
            return []
        names, change = list(self._index), self._chart.change()
        return [
            Change(names[i], state, int(minutes[i]), round(float(change[i]), 4))
            for i in np.flatnonzero(which).tolist()
        ]
