"""What the stack needs to know of a service to run it."""

from __future__ import annotations

import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Command:
    """How to start a service's process, and the signal that ends it in order."""

    argv: list[str]
    cwd: Path
    env: Mapping[str, str] = field(default_factory=dict)
    stop: signal.Signals = signal.SIGTERM


class Service(Protocol):
    """One local service."""

    name: str
    #: How many ports it listens on.
    ports: int
    #: How long it may take to answer, in seconds.
    patience_s: float

    def address(self, ports: tuple[int, ...]) -> str:
        """The address for ``headrace.endpoints``."""

    def prepare(self, data: Path, ports: tuple[int, ...]) -> Command:
        """Install and configure; must mend what a kill -9 left behind. Raises ConfigError."""

    def answers(self, address: str) -> str | None:
        """Ask by protocol whether it serves: None when it does, else why not."""
