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
        took = time.monotonic() - started
        if all(after[tp] <= cut for tp, cut in cuts.items()) and not (_missed(ends, cuts)):
            return cuts
        give_up()
        ahead = _margins(before, after, took, ahead)
    raise Transient(f"no cut held in {ATTEMPTS} attempts: the topics move too unevenly; try again")


def _missed(ends: Callable[[], Ends], cuts: Ends) -> bool:
    """Wait until the log has reached the cuts; whether it did not."""
    deadline = time.monotonic() + REACH_S
    pause = threading.Event()
    while True:
        now = ends()
        if all(now[tp] >= cut for tp, cut in cuts.items()):
            return False
        if time.monotonic() > deadline:
            return True
        pause.wait(PAUSE_S)


def _margins(
    before: Ends, after: Ends, took: float, ahead: Mapping[TopicPartition, int]
) -> dict[TopicPartition, int]:
    """How far ahead to cut next time: what comes in a second, twice as much as last time."""
    found = {}
    for tp, end in after.items():
        moved = end - before[tp]
        if moved:
            per_second = int(moved / max(took, 0.001)) + 1
            found[tp] = max(per_second, 2 * min(ahead.get(tp, 0), per_second * 10))
    return found
