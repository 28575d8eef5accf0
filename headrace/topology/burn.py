"""Multi-window, multi-burn-rate alerting as in chapter 5 of Google's SRE Workbook.

A burn rate of 1 spends exactly the error budget, ``1 - target``, over the level's window. An alert
fires when a long window shows that a given share of the budget was spent and a short one that it
is still being spent, so it resets soon after the cause is gone.
"""

from __future__ import annotations

from dataclasses import dataclass

from headrace.topology.levels import Severity

HOURS_A_DAY = 24


@dataclass(frozen=True, slots=True)
class Window:
    """A pair of windows, and the share of the budget that they alert on.

    ``hours`` is the long one's length.
    """

    long: str
    short: str
    hours: int
    budget: float
    severity: Severity

    def threshold(self, window_days: int) -> float:
        """The burn rate that spends the share of the level's budget in the long window."""
        return round(self.budget * window_days * HOURS_A_DAY / self.hours, 4)


#: With window_days 30: burn rates of 14.4, 6, 3 and 1.
WINDOWS = (
    Window("1h", "5m", 1, 0.02, "page"),
    Window("6h", "30m", 6, 0.05, "page"),
    Window("1d", "2h", 24, 0.10, "ticket"),
    Window("3d", "6h", 72, 0.10, "ticket"),
)

#: Every length that a burn rate is recorded for, the short ones first.
LENGTHS = ("5m", "30m", "1h", "2h", "6h", "1d", "3d")


def lowest_target(window_days: int) -> float:
    """The target under which the fastest threshold could not be passed if everything failed."""
    return 1 - 1 / max(window.threshold(window_days) for window in WINDOWS)
