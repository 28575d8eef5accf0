"""How much of the machine went to whatever is not the bench: past a few percent, repeat the run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil


@contextmanager
def share_of_others(found: dict[str, Any]) -> Iterator[None]:
    """Put into ``found`` which share of all CPUs' time others had meanwhile.

    Own is this process with its children, also theirs, none of which may end meanwhile.
    """
    own, busy, whole = _own(), *_machine()
    yield
    now_busy, now_whole = _machine()
    others = (now_busy - busy) - (_own() - own)
    found["others_cpu_share"] = round(max(0.0, others / (now_whole - whole)), 3)


def _own() -> float:
    this = psutil.Process()
    times = [one.cpu_times() for one in (this, *this.children(recursive=True))]
    return sum(float(one.user + one.system) for one in times)


def _machine() -> tuple[float, float]:
    """Seconds of all CPUs together: at work, and in all."""
    times = psutil.cpu_times()
    # Guests' time is in user's already.
    whole = sum(times) - times.guest - times.guest_nice
    return whole - times.idle - times.iowait, whole
