"""A histogram of times that costs one vector operation a block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

#: Bounds that Prometheus sees, in ms. A service level on freshness names one of these: what a
#: rule asks of a bucket must be a bucket.
EXPOSED_MS = (
    5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 20_000, 30_000, 60_000,
    120_000, 300_000, 600_000, 1_800_000,
)  # fmt: skip
#: Upper bounds of the histogram in ms: 1 ms to about 35 min, at most 10 % apart.
BOUNDS = np.unique(
    np.concatenate([np.round(1.1 ** np.arange(0, 153)), np.array(EXPOSED_MS)]).astype(np.int64)
)
_EXPOSED_AT = np.searchsorted(BOUNDS, EXPOSED_MS)


class Histogram:
    """Counts by bucket of BOUNDS; quantiles are upper bounds, at most 10 % above the truth."""

    def __init__(
        self, counts: Sequence[int] | npt.NDArray[np.int64] | None = None, sum_ms: int = 0
    ) -> None:
        size = len(BOUNDS) + 1
        self.counts: npt.NDArray[np.int64] = (
            np.zeros(size, np.int64) if counts is None else np.array(counts, np.int64)
        )
        self.sum_ms = sum_ms

    def add(self, values_ms: npt.NDArray[np.int64]) -> None:
        """Count values in ms; negative ones (clock skew) count as 0."""
        values_ms = np.maximum(values_ms, 0)
        buckets = np.searchsorted(BOUNDS, values_ms, side="left")
        self.counts += np.bincount(buckets, minlength=len(self.counts))
        self.sum_ms += int(values_ms.sum())

    def quantile(self, q: float) -> int | None:
        """The bound that at least a share ``q`` of the values does not exceed; None if empty."""
        total = int(self.counts.sum())
        if total == 0:
            return None
        at = int(np.searchsorted(np.cumsum(self.counts), q * total, side="left"))
        return int(BOUNDS[min(at, len(BOUNDS) - 1)])

    def quantiles(self) -> dict[str, int | None]:
        """The median and what 95 and 99 % do not exceed, in ms."""
        return {f"p{round(q * 100)}": self.quantile(q) for q in (0.5, 0.95, 0.99)}

    def exposed(self) -> list[tuple[str, float]]:
        """Cumulative counts by upper bound in seconds, as Prometheus wants them."""
        cumulated = np.cumsum(self.counts)
        below = zip(EXPOSED_MS, cumulated[_EXPOSED_AT].tolist(), strict=True)
        return [
            *((str(bound / 1000), float(count)) for bound, count in below),
            ("+Inf", float(cumulated[-1])),
        ]
