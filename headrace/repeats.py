"""Keeps what a library says many times a second out of the log, and says how often it said it."""

from __future__ import annotations

import logging

from headrace.clock import Clock

EVERY_S = 10.0
#: Different messages remembered; past that all are forgotten, and may be said again.
MOST = 1_000


class Repeats(logging.Filter):
    """For a handler: lets each message of some loggers (and those below them) through once in 10 s.

    aiokafka logs each attempt to reach a broker that is away, some 70 lines a second.
    """

    def __init__(self, loggers: tuple[str, ...], clock: Clock) -> None:
        super().__init__()
        self._loggers = loggers
        self._clock = clock
        self._said: dict[str, tuple[float, int]] = {}  # message: when, and how often since

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether to log this; adds to its text how many like it were not."""
        if not record.name.startswith(self._loggers):
            return True
        text, now = record.getMessage(), self._clock.monotonic()
        at, held_back = self._said.get(text, (float("-inf"), 0))
        if now - at < EVERY_S:
            self._said[text] = (at, held_back + 1)
            return False
        if len(self._said) >= MOST:
            self._said.clear()
        self._said[text] = (now, 0)
        if held_back:
            record.msg, record.args = f"{text} (and {held_back} times before)", ()
        return True
