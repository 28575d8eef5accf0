"""From a moment to an offset."""

from __future__ import annotations

import numpy as np

from headrace.archive.history import History
from headrace.archive.log import Log
from headrace.block import TopicPartition


def offset_at(history: History, log: Log, tp: TopicPartition, moment_ms: int) -> int:
    """The first offset there is whose record was produced then or later; the end if none was.

    Kafka knows of its own records; those that only the archive has are looked through.
    """
    begin, (kept, end) = history.begin(tp), log.range(tp)
    at = log.at(tp, moment_ms)
    if at > kept or begin >= kept:
        return min(at, end)
    for block in history.blocks(tp, begin, kept - 1):
        late = np.flatnonzero(block.timestamps >= moment_ms)
        if len(late):
            return int(block.offsets[late[0]])
    return min(at, end)
