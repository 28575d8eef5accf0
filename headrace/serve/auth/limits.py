"""How often each client may ask: a token bucket a client, in bounded memory."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

from headrace.clock import Clock
from headrace.serve.problems import Problem
from headrace.topology.auth import Rate

#: Clients that are remembered, 300 bytes each. Who asked least recently is forgotten first, which
#: gives them a full bucket: it never takes from anybody what they have.
MAX_CLIENTS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Quota:
    """What a client has left, and after how many seconds it has everything again."""

    left: int
    full_s: float


class Buckets:
    """Buckets of one rate, by client."""

    def __init__(self, rate: Rate, clock: Clock, max_clients: int = MAX_CLIENTS) -> None:
        self._rate = rate
        self._clock = clock
        self._max_clients = max_clients
        self._held: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self.policy = f'"client";q={rate.burst};w={math.ceil(rate.burst / rate.per_s)}'.encode()

    def take(self, client: str) -> Quota:
        """Count one request; raises the Problem that answers it when there have been too many."""
        now = self._clock.monotonic()
        held = self._now(client, now)
        if held < 1:
            raise self._too_many(held)
        self._held[client] = held - 1, now
        self._held.move_to_end(client)
        if len(self._held) > self._max_clients:
            self._held.popitem(last=False)
        return Quota(int(held - 1), (self._rate.burst - held + 1) / self._rate.per_s)

    def refuse_empty(self, client: str) -> None:
        """Raise as ``take`` would, and count nothing."""
        held = self._now(client, self._clock.monotonic())
        if held < 1:
            raise self._too_many(held)

    def _now(self, client: str, now: float) -> float:
        entry = self._held.get(client)
        if entry is None:
            return float(self._rate.burst)
        left, at = entry
        return min(self._rate.burst, left + (now - at) * self._rate.per_s)

    def _too_many(self, held: float) -> Problem:
        wait = math.ceil((1 - held) / self._rate.per_s)
        full = math.ceil((self._rate.burst - held) / self._rate.per_s)
        rate = self._rate
        return Problem(
            429,
            "too-many-requests",
            f"more than {rate.per_s:g} requests a second, or {rate.burst} at once: ask again "
            f"in {wait} s",
            headers={
                "Retry-After": str(wait),
                "RateLimit-Policy": self.policy.decode(),
                "RateLimit": f'"client";r=0;t={full}',
            },
        )


def headers(buckets: Buckets, quota: Quota) -> list[tuple[bytes, bytes]]:
    """The fields of draft-ietf-httpapi-ratelimit-headers for an answer that was given."""
    live = f'"client";r={quota.left};t={math.ceil(quota.full_s)}'.encode()
    return [(b"ratelimit-policy", buckets.policy), (b"ratelimit", live)]
