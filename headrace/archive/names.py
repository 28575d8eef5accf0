"""How an archive's files are named: ``<topic>/date=…/hour=…/<partition>-<first>-<last>.parquet``.

Date and hour are those of the record that the file begins with, so what is named like this is found
by time with any tool that knows Hive's partitions. What the file holds is said by its offsets.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Of file names that are being written: readers of Hive's layout pass over those with a dot.
UNFINISHED = re.compile(r"(?:^|/)\.[^/]*\.tmp$")
_FINISHED = re.compile(r"date=[^/]+/hour=[^/]+/(\d+)-(\d+)-(\d+)\.parquet$")


class File(NamedTuple):
    """One file: the records of a partition with offsets ``[first..last]``."""

    partition: int
    first: int
    last: int
    path: str

    def __str__(self) -> str:
        return self.path


def folder(topic: str, slot_ms: int) -> str:
    """Where the files of a stretch of time lie that begins at ``slot_ms``."""
    begin = EPOCH + timedelta(milliseconds=max(slot_ms, 0))
    return f"{topic}/date={begin:%Y-%m-%d}/hour={begin:%H}"


def finished(folder_: str, partition: int, first: int, last: int) -> File:
    """A file that is whole."""
    return File(partition, first, last, f"{folder_}/{partition}-{first}-{last}.parquet")


def unfinished(folder_: str, partition: int, first: int, token: str) -> str:
    """The path of a file that is being written; ``token`` is the writer's own."""
    return f"{folder_}/.{partition}-{first}.{token}.tmp"


def read(path: str) -> File | None:
    """The file that a path names; None for anything else."""
    found = _FINISHED.search(path)
    if found is None:
        return None
    return File(int(found[1]), int(found[2]), int(found[3]), path)
