"""What is to be sent later: rows by the window of simulated time in which they leave."""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from loadgen.rows import DTYPES, Rows


class Agenda:
    """Rows of one stream, handed out window by window.

    Memory holds what is due in the future: about rate x the life of an order.
    """

    def __init__(self, stream: str, window_us: int) -> None:
        self._window = window_us
        self._dtype = DTYPES[stream]
        self._later: dict[int, list[Rows]] = defaultdict(list)

    def add(self, rows: Rows) -> None:
        """Take rows; those of one instant leave in the order they were added."""
        if not len(rows):
            return
        window = rows["send"] // self._window
        if int(window.min()) == int(window.max()):
            self._later[int(window[0])].append(rows)
            return
        order = np.argsort(window, kind="stable")
        rows, window = rows[order], window[order]
        starts = np.flatnonzero(np.diff(window, prepend=window[0] - 1))
        for part, which in zip(np.split(rows, starts[1:]), window[starts].tolist(), strict=True):
            self._later[which].append(part)

    def take(self, window: int) -> Rows:
        """All rows that leave in this window, in no particular order."""
        parts = self._later.pop(window, None)
        return np.concatenate(parts) if parts else np.zeros(0, self._dtype)
