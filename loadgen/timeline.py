"""From simulated time to event time, and who is awake when."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from loadgen import vocabulary as v

Micros = npt.NDArray[np.int64]
Millis = npt.NDArray[np.int64]

DAY_S = 86_400.0


def _activity() -> npt.NDArray[np.float64]:
    """Share of the whole activity by (UTC hour, region), mean 1 over the day's hours."""
    hours = np.arange(24)
    local = np.array(v.HOURS)
    table = np.stack(
        [
            weight * local[(hours + offset) % 24]
            for weight, offset in zip(v.REGION_WEIGHTS, v.UTC_OFFSETS, strict=True)
        ],
        axis=1,
    )
    scaled: npt.NDArray[np.float64] = table * (24 / table.sum())
    return scaled


ACTIVITY = _activity()


class Timeline:
    """Event time of simulated microseconds (0 is ``start_ms``).

    With compression the day's shape shows: quiet hours pass faster for a simulation that always
    sends as much. Without, event time runs like the simulation's, as a live run needs it.
    """

    def __init__(self, start_ms: int, compression: float) -> None:
        self.start_ms = start_ms
        self.compression = compression
        self._warped = compression > 1.0
        # Simulated seconds (of one day at mean activity) at each full UTC hour.
        self._work = np.concatenate([[0.0], np.cumsum(ACTIVITY.sum(axis=1) * 3600)])
        self._work *= DAY_S / self._work[-1]
        self._clock = np.arange(25) * 3600.0
        self._day = start_ms / 1000 // DAY_S
        self._first = float(np.interp(start_ms / 1000 % DAY_S, self._clock, self._work))

    def event_ms(self, sim_us: Micros) -> Millis:
        """Event time in ms since the epoch; never decreases with simulated time."""
        if not self._warped:
            passed: Millis = np.floor_divide(sim_us * self.compression, 1000).astype(np.int64)
            return self.start_ms + passed
        work = self._first + sim_us * (self.compression / 1e6)
        days, within = np.divmod(work, DAY_S)
        seconds = (self._day + days) * DAY_S + np.interp(within, self._work, self._clock)
        found: Millis = np.floor(seconds * 1000).astype(np.int64)
        return found

    def regions(self, rng: np.random.Generator, n: int, sim_us: int) -> npt.NDArray[np.int64]:
        """Regions of ``n`` visits that begin about then: where it is day there are more."""
        hour = int(self.event_ms(np.array([sim_us]))[0] // 3_600_000 % 24)
        edges = np.cumsum(ACTIVITY[hour])
        return np.searchsorted(edges / edges[-1], rng.random(n), side="right").clip(max=5)
