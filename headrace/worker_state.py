"""What each worker tells of itself in Redis, and where: read by the serving process and by status.

A worker writes ``<prefix>:worker:<host>:<pid>`` once a second, a JSON document that expires when
the worker no longer does, and keeps its key's name in ``<prefix>:workers`` (a sorted set by time),
so that readers need not search all keys. Neither has a partition in its name: they are no data.
"""

from __future__ import annotations

from typing import Any, TypedDict

EVERY_S = 1.0
EXPIRES_S = 10


class WorkerState(TypedDict):
    """A worker's state. ``numbers`` is ``Metrics.snapshot``; times are ms since the epoch.

    ``stopped``: this is its last word, it ended in order.
    """

    id: str
    host: str
    pid: int
    index: int
    version: str
    at: int
    stopped: bool
    numbers: dict[str, Any]


def workers_key(prefix: str) -> str:
    """The sorted set of keys of states, scored with when they were written."""
    return f"{prefix}:workers"


def worker_key(prefix: str, host: str, pid: int) -> str:
    """The key of one worker's state."""
    return f"{prefix}:worker:{host}:{pid}"
