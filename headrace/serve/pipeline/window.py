"""Rates from counters that are looked at now and then."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)

SPAN_S = 5.0


class Window(Generic[K]):
    """Counters over the last ``span_s``. A key that was not there before counts from 0."""

    def __init__(self, span_s: float = SPAN_S) -> None:
        self._span_s = span_s
        self._seen: deque[tuple[float, Mapping[K, float]]] = deque()

    def add(self, at_s: float, counts: Mapping[K, float]) -> None:
        """Counters as of a moment; one that is not after the last is passed over."""
        if self._seen and at_s <= self._seen[-1][0]:
            return
        self._seen.append((at_s, counts))
        # One at or before the span's begin stays: so a rate is over the span, or a little more.
        while len(self._seen) > 2 and self._seen[1][0] <= at_s - self._span_s:
            self._seen.popleft()

    def rates(self) -> dict[K, float]:
        """By second, never negative; 0 before there are two moments."""
        if not self._seen:
            return {}
        (then, before), (now, counts) = self._seen[0], self._seen[-1]
        if now == then:
            return dict.fromkeys(counts, 0.0)
        span = now - then
        return {k: max(0.0, (n - before.get(k, 0)) / span) for k, n in counts.items()}
