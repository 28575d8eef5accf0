"""Divides a topic at an offset: rows before it come from the log, rows from it on come live.

A cut holds when no record at or behind it was there to be written before live rows were let in:
then none of them can have been written past the new version. A topic at rest is cut at its end. On
one that moves, the end would move past the cut in the meantime, so it is cut as far ahead as it
moves in a second, and waited for. A cut that does not hold costs nothing: nothing of the log is in
the version yet, so another one is begun.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping

from headrace.block import TopicPartition
from headrace.errors import Transient

Ends = Mapping[TopicPartition, int]
#: How long a topic may take to reach its cut before it counts as one at rest.
REACH_S = 10.0
PAUSE_S = 0.05
ATTEMPTS = 20


def settle(
    ends: Callable[[], Ends], begin: Callable[[Ends], None], give_up: Callable[[], None]
) -> Ends:
    """Find cuts that hold; ``begin(cuts)`` lets live rows in, ``give_up`` undoes it.

    Returns the cuts, all of which the log has reached. Raises Transient when none would hold.
    """
    ahead: dict[TopicPartition, int] = {}
    for _ in range(ATTEMPTS):
        started = time.monotonic()
        before = ends()
        cuts = {tp: end + ahead.get(tp, 0) for tp, end in before.items()}
        begin(cuts)
        after = ends()
        took = max(time.monotonic() - started, PAUSE_S)
        overrun = [tp for tp, cut in cuts.items() if after[tp] > cut]
        missed = [] if overrun else _missed(ends, cuts)
        if not overrun and not missed:
            return cuts
        give_up()
        for tp in overrun:
            per_second = int((after[tp] - before[tp]) / took) + 1
            ahead[tp] = max(per_second, 2 * ahead.get(tp, 0))
        for tp in missed:
            ahead[tp] //= 4
    raise Transient(f"no cut held in {ATTEMPTS} attempts: the topics move too unevenly; try again")


def _missed(ends: Callable[[], Ends], cuts: Ends) -> list[TopicPartition]:
    """Wait until the log has reached the cuts; those that it did not come to."""
    deadline = time.monotonic() + REACH_S
    pause = threading.Event()
    while True:
        now = ends()
        missed = [tp for tp, cut in cuts.items() if now[tp] < cut]
        if not missed or time.monotonic() > deadline:
            return missed
        pause.wait(PAUSE_S)
