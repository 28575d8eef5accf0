"""Refused access for the audit: at once when it is new, then as a sum a minute, never more.

An entry takes about 0.15 s and is kept for ever, so an attacker must not decide how many there are.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from headrace.errors import HeadraceError

log = logging.getLogger(__name__)

INTERVAL_S: Final = 60.0
#: Entries written at once in an interval, and entries that tell its sums.
AT_ONCE: Final = 10
SUMS: Final = 20
#: Clients counted by themselves; the others are counted together, by reason.
MAX_CLIENTS: Final = 1_000
OTHERS: Final = "other clients"
STOP_S: Final = 5.0

#: Client, reason, how often. Raises HeadraceError when it can't be recorded.
Write = Callable[[str, str, int], None]
Key = tuple[str, str]


class Refusals:
    """Counts refusals; a thread of its own writes them down."""

    def __init__(self, write: Write, interval_s: float = INTERVAL_S) -> None:
        self._write = write
        self._interval_s = interval_s
        self._lock = threading.Lock()
        self._wake = threading.Event()
        self._counts: dict[Key, int] = {}
        self._others: Counter[str] = Counter()
        self._new: list[Key] = []
        self._at_once = AT_ONCE
        self._stopping = False
        self._thread: threading.Thread | None = None

    def note(self, client: str, reason: str) -> None:
        """Count one; returns at once. ``reason`` is one of a few words."""
        key = client, reason
        with self._lock:
            if key in self._counts:
                self._counts[key] += 1
            elif len(self._counts) >= MAX_CLIENTS:
                self._others[reason] += 1
            elif self._at_once:
                self._at_once -= 1
                self._counts[key] = 0
                self._new.append(key)
                self._wake.set()
            else:
                self._counts[key] = 1
            if self._thread is None and not self._stopping:
                self._thread = threading.Thread(target=self._run, name="refusals", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Write what there is, for a few seconds at most."""
        with self._lock:
            self._stopping = True
            thread = self._thread
        self._wake.set()
        if thread is not None:
            thread.join(STOP_S)
            if thread.is_alive():
                log.warning("The last refusals are not in the audit: it takes too long to write")

    def _run(self) -> None:
        due = time.monotonic() + self._interval_s
        while not self._stopping:
            # What is new does not wait for the interval's end; the sums do.
            if self._wake.wait(max(0.0, due - time.monotonic())):
                self._wake.clear()
                self._tell_new()
            if time.monotonic() >= due:
                self._tell_sums()
                due = time.monotonic() + self._interval_s
        self._tell_new()
        self._tell_sums()

    def _tell_new(self) -> None:
        with self._lock:
            new, self._new = self._new, []
        self._tell([(client, reason, 1) for client, reason in new])

    def _tell_sums(self) -> None:
        with self._lock:
            ranked = sorted(
                ((n, client, reason) for (client, reason), n in self._counts.items() if n),
                reverse=True,
            )
            others, self._others = self._others, Counter()
            # Who goes on is not new in the next interval.
            self._counts = {(client, reason): 0 for _, client, reason in ranked}
            self._at_once = AT_ONCE
        for n, _, reason in ranked[SUMS:]:
            others[reason] += n
        sums = [(client, reason, n) for n, client, reason in ranked[:SUMS]]
        self._tell([*sums, *((OTHERS, reason, n) for reason, n in others.items())])

    def _tell(self, entries: list[tuple[str, str, int]]) -> None:
        """Write entries; those that can't be are counted again, for the next interval."""
        for i, (client, reason, n) in enumerate(entries):
            try:
                self._write(client, reason, n)
            except HeadraceError as error:
                log.warning("Refused access is not recorded in the audit yet: %s", error)
                with self._lock:
                    for again, why, count in entries[i:]:
                        self._counts[again, why] = self._counts.get((again, why), 0) + count
                return
