"""Late arrivals: the time between an event and its sending."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, slots=True)
class Lateness:
    """``ratio`` of the events are late, by an exponential time of mean ``mean_s``."""

    ratio: float
    mean_s: float

    def delays(
        self,
        rng: np.random.Generator,
        scale: npt.NDArray[np.float64] | float,
        shape: tuple[int, ...] | int | None = None,
    ) -> npt.NDArray[np.int64]:
        """Delays in simulated µs, mostly 0, as many as ``scale`` has entries (or ``shape``)."""
        size = np.shape(scale) if shape is None else shape
        is_late = rng.random(size) < self.ratio
        late = rng.exponential(self.mean_s * 1e6, size) * scale
        return np.where(is_late, late, 0).astype(np.int64)
