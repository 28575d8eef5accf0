"""Errors that carry a policy: retry, stop, or divert one record."""

from __future__ import annotations

#: Exit code of a worker that may be started again (EX_TEMPFAIL of sysexits.h): Faust or a client
#: library ended it, for example because Kafka went away while it was starting.
EXIT_AGAIN = 75


class HeadraceError(Exception):
    """Base of every error Headrace raises on purpose."""


class Transient(HeadraceError):
    """The same call may succeed later: retry with backoff and the same token."""


class Terminal(HeadraceError):
    """Retrying can't help: stop the partition and call an operator."""


class Fenced(HeadraceError):
    """This worker no longer owns the partition: drop the block, write nothing."""


class ConfigError(HeadraceError):
    """The configuration is wrong; the text names file, field, value and fix. Exit code 2."""


class BadRecord(HeadraceError):
    """One record can't be processed: it goes to the dead-letter topic whole.

    ``step`` is one of ``"frame"`` (wire format), ``"decode"``, ``"private"``, ``"rule"`` or
    ``"agent"``.
    """

    def __init__(self, topic: str, partition: int, offset: int, step: str, reason: str) -> None:
        super().__init__(f"{topic}[{partition}]@{offset}: {step}: {reason}")
        self.topic = topic
        self.partition = partition
        self.offset = offset
        self.step = step
        self.reason = reason


class Behind(HeadraceError):
    """A sink lost what it had applied (failover, restore): catch it up from the log, it alone."""
