"""What a replay asks of the store that keeps a view's versions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import polars as pl

from headrace.replay.build import Build
from headrace.sink import BlockRange


@dataclass(frozen=True, slots=True)
class Total:
    """A column's aggregate over the whole of both versions, as text."""

    column: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two versions of a view. ``rows`` are groups; of those, ``sampled`` were compared by value.

    Without common keys (``keyed`` false) no rows can be compared, only counts and totals.
    """

    rows_before: int
    rows_after: int
    totals: Sequence[Total]
    keyed: bool = True
    sampled: int = 0
    missing: int = 0
    added: int = 0
    different: int = 0
    examples: Sequence[str] = ()

    @property
    def equal(self) -> bool:
        """Whether nothing tells the versions apart."""
        return (
            self.keyed
            and self.rows_before == self.rows_after
            and not (self.missing or self.added or self.different)
            and all(total.before == total.after for total in self.totals)
        )

    @property
    def nothing_lost(self) -> bool:
        """Whether every row of the old version that was looked at has one in the new."""
        return self.keyed and not self.missing and self.rows_after >= self.rows_before

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "equal": self.equal}


class Journal(Protocol):
    """Keeps what was done, where it was done."""

    def create(self) -> None:
        """Make room for it, if there is none."""

    def record(self, build: Build) -> None:
        """Say how far a version is."""

    def builds(self) -> list[Build]:
        """All versions by number, each as it was last recorded."""

    def finish(self, version: int, done: BlockRange, block: int) -> None:
        """A range is in the version; ``block`` is what ``Store.blocks`` said then."""

    def finished(self, version: int) -> dict[BlockRange, int]:
        """The ranges that are in a version, and the blocks told with them."""


class Store(Protocol):
    """One view's versions. Every call may be repeated after any failure.

    Raises Transient or Terminal.
    """

    @property
    def journal(self) -> Journal:
        """Where it is kept what was done."""

    @property
    def definition(self) -> str:
        """Names what the view is declared to hold."""

    def defined(self, version: int) -> str | None:
        """Names what a version holds; None where nothing says so."""

    def shown(self) -> int | None:
        """The version that readers see; None if the view is not there, or has no versions yet."""

    def held(self) -> list[int]:
        """The versions that are there, ascending."""

    def columns(self, source: str) -> list[str]:
        """The columns of a raw table that the view reads."""

    def trial(self) -> None:
        """Try the view with rows that are there, keeping nothing."""

    def make(self, version: int) -> None:
        """Make a version, empty, that takes rows of the log."""

    def open(self, version: int, cuts: Mapping[str, Mapping[int, int]]) -> None:
        """Let live rows in, by raw table and partition from the cuts on."""

    def insert(self, version: int, source: str, part: BlockRange, frame: pl.DataFrame) -> None:
        """Rows of one range of the log, at most once as long as ``memory`` reaches."""

    def memory(self) -> int:
        """How many blocks may come to a version before it forgets a range that it took."""

    def blocks(self, version: int) -> int:
        """How many blocks have come to a version, more or less; never counts down."""

    def complete(self, version: int) -> None:
        """The log is in it: it takes only live rows from now on."""

    def compare(self, before: int, after: int, patience_s: float) -> Comparison:
        """Tell two versions apart; live rows that are in one only are waited for."""

    def show(self, version: int) -> None:
        """Let readers see a version, from one query to the next."""

    def drop(self, version: int) -> None:
        """Take a version away."""
