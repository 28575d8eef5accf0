"""Named crash points, so that a test can kill a process with -9 in a given step of a protocol."""

from __future__ import annotations

import os
import signal

VARIABLE = "HEADRACE_CRASH"  # "<point>:<n>": die when <point> is passed for the n-th time
POINTS = ("planned", "intended", "computed", "dead_lettered", "applied_one", "applied", "done")
#: The same where events are emitted: in Kafka and still in the outbox, and removed from it.
KEYED_POINTS = ("emitted", "relayed")
#: The same in ``headrace dlq redrive``.
REDRIVE_POINTS = ("redrive_fenced", "redrive_sent", "redrive_committed")
#: The same in ``headrace replay``.
REPLAY_POINTS = (
    "replay_planned", "replay_opened", "replay_cut", "replay_inserted", "replay_noted",
    "replay_copied", "replay_compared", "replay_shown", "replay_switched",
)  # fmt: skip
#: The same in ``headrace sync run``.
SYNC_POINTS = ("sync_sent", "sync_committed")

_point, _, _count = os.environ.get(VARIABLE, "").partition(":")
_left = int(_count or 1)


def point(name: str) -> None:
    """Die here if the environment says so; otherwise do nothing."""
    global _left  # noqa: PLW0603
    if name != _point:
        return
    _left -= 1
    if _left <= 0:
        os.kill(os.getpid(), signal.SIGKILL)
