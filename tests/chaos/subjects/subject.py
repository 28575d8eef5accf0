"""What a run of faults needs of a subject."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from rich.console import Console

from headrace.endpoints import Endpoints
from headrace.topology import Topology
from tests.chaos.faults import Scene


@dataclass(frozen=True, slots=True)
class Plan:
    """One run: a folder of its own, running services, the seed, so many faults, events a second."""

    home: Path
    where: Endpoints
    seed: int
    faults: int
    rate: float


@dataclass(frozen=True, slots=True)
class Proof:
    """What was compared with the truth, and how much of it is otherwise."""

    events: int
    compared: int
    differing: int
    notes: dict[str, Any] = field(default_factory=dict)
    verified: bool = True


class Subject(Protocol):
    """A project that is applied, its load, and its proof."""

    #: The project's folder, and what it declares.
    root: Path
    declared: Topology
    #: The named steps in which its workers may die (``headrace.delivery.crash``).
    points: tuple[str, ...]

    def begin(self) -> None:
        """Start the load, which does not mind services that are away."""

    def end(self, scene: Scene) -> None:
        """Send what is left, and wait until nothing more comes. Faults are over."""

    def prove(self, scene: Scene, console: Console) -> Proof:
        """Compare the stores with the truth. All is applied."""

    def close(self) -> None:
        """Stop the load, whatever happened."""
