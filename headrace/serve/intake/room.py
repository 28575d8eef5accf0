"""Backpressure: how much may be on its way to Kafka at a time, all requests together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from headrace.serve.problems import Problem

MAX_BYTES = 64 << 20
MAX_RECORDS = 100_000
RETRY_AFTER_S = 1


class Room:
    """Counts bytes of bodies and records from when they arrive until they are answered.

    Used by the event loop alone.
    """

    def __init__(self, max_bytes: int = MAX_BYTES, max_records: int = MAX_RECORDS) -> None:
        self._bytes = max_bytes
        self._records = max_records

    @contextmanager
    def hold(self) -> Iterator[Hold]:
        """A request's share; given back when the request ends, however it does."""
        held = Hold(self)
        try:
            yield held
        finally:
            self._bytes += held.nbytes
            self._records += held.records

    def take(self, nbytes: int, records: int) -> None:
        """Raises Problem 429 when there is no room for so much."""
        if nbytes > self._bytes or records > self._records:
            raise Problem(
                429,
                "too-much-on-its-way",
                "more events are on their way to Kafka than fit: send this again later",
                headers={"Retry-After": str(RETRY_AFTER_S)},
            )
        self._bytes -= nbytes
        self._records -= records


class Hold:
    """What one request takes up."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self.nbytes = 0
        self.records = 0

    def add(self, nbytes: int = 0, records: int = 0) -> None:
        """Take more; raises Problem 429."""
        self._room.take(nbytes, records)
        self.nbytes += nbytes
        self.records += records
