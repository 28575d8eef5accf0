"""One version being built: what is decided about it, as it is kept in ClickHouse."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum

from pydantic import BaseModel, ConfigDict

from headrace.block import TopicPartition
from headrace.sink import BlockRange


class Phase(str, Enum):
    """How far a version is. Each is recorded when what it says is so."""

    PLANNED = "planned"  # its number is taken
    CUT = "cut"  # live rows from the cuts on go to it
    COPIED = "copied"  # the log before the cuts is in it
    COMPARED = "compared"
    SWITCHED = "switched"  # readers see it
    ROLLED_BACK = "rolled back"  # readers see the one before again
    DISCARDED = "discarded"


class Span(BaseModel):
    """What of a partition is read from the log: offsets from ``begin`` up to, not including,
    ``cut``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    topic: str
    partition: int
    begin: int
    cut: int

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)

    def __len__(self) -> int:
        return max(self.cut - self.begin, 0)


class Build(BaseModel):
    """A version. ``before`` is the version that readers saw when it began.

    ``looked_at`` ones end at a time: they get no live rows, so readers are never switched to them.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    view: str
    version: int
    definition: str
    phase: Phase
    before: int
    range_rows: int
    spans: tuple[Span, ...] = ()
    looked_at: bool = False

    @property
    def unfinished(self) -> bool:
        """Whether there is still something to build."""
        return self.phase in (Phase.PLANNED, Phase.CUT, Phase.COPIED, Phase.COMPARED)

    @property
    def offsets(self) -> int:
        """How many offsets are read from the log."""
        return sum(map(len, self.spans))

    def at(self, phase: Phase) -> Build:
        """The same, one phase on."""
        return self.model_copy(update={"phase": phase})

    def ranges(self, span: Span) -> Iterator[BlockRange]:
        """A span cut at multiples of ``range_rows``: the same cuts whoever asks, and whenever."""
        first = span.begin
        while first < span.cut:
            behind = min((first // self.range_rows + 1) * self.range_rows, span.cut)
            yield BlockRange(span.topic, span.partition, first, behind - 1)
            first = behind
