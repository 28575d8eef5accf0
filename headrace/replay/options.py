"""What an operator asks of a replay."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Options:
    """``begin_ms`` and ``end_ms`` are moments of the records' timestamps; without an end live rows
    come.

    ``parallel`` partitions are read side by side, at most ``max_rate`` offsets a second together
    (0: no limit), ``range_rows`` at a time. ``wait_s`` is how long workers may stand still before
    they are no longer waited for, and how long versions that differ are compared again. ``force``
    switches whatever the comparison says, ``hold`` does not switch.
    """

    begin_ms: int | None = None
    end_ms: int | None = None
    parallel: int = 4
    max_rate: int = 0
    range_rows: int = 131_072
    wait_s: float = 15.0
    force: bool = False
    hold: bool = False


class Watcher(Protocol):
    """Whom a replay tells how far it is. Called from many threads."""

    def phase(self, text: str) -> None:
        """What it does now."""

    def log(self, offsets: int) -> None:
        """So many offsets have to be copied."""

    def copied(self, offsets: int, fresh: bool) -> None:
        """So many are in the version; not ``fresh``: since an earlier run."""


class Quiet:
    """Tells nobody."""

    def phase(self, text: str) -> None: ...

    def log(self, offsets: int) -> None: ...

    def copied(self, offsets: int, fresh: bool) -> None: ...
