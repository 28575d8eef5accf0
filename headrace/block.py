"""The unit of everything: a contiguous offset range of one topic-partition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt


class TopicPartition(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]"


Header = tuple[str, bytes]


def nbytes(values: Sequence[bytes | None]) -> int:
    """Bytes of all record values; a tombstone has none."""
    try:
        return sum(map(len, values))  # type: ignore[arg-type]
    except TypeError:
        return sum(len(value) for value in values if value is not None)


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Records ``[first..last]`` of one partition, values untouched.

    The range covers gaps (compaction, transaction markers), so ``last - first + 1`` may exceed
    ``len(values)``; an offset inside the range without a record is simply not in ``offsets``.

    ``values[i]`` is the record at ``offsets[i]`` (``None`` is a tombstone), produced at
    ``timestamps[i]`` (ms since epoch) with ``keys[i]``. ``headers`` is sparse: only records that
    have any, by index.
    """

    topic: str
    partition: int
    first: int
    last: int
    values: Sequence[bytes | None]
    offsets: npt.NDArray[np.int64]
    timestamps: npt.NDArray[np.int64]
    keys: Sequence[bytes | None]
    headers: dict[int, tuple[Header, ...]] = field(default_factory=dict)
    #: Bytes of all record values; counted when it is not given.
    nbytes: int = -1

    def __post_init__(self) -> None:
        if self.nbytes < 0:
            object.__setattr__(self, "nbytes", nbytes(self.values))
        n = len(self.values)
        if not (len(self.offsets) == len(self.timestamps) == len(self.keys) == n):
            raise ValueError(f"{self}: columns of unequal length")
        if n and not (self.first <= int(self.offsets[0]) and int(self.offsets[-1]) <= self.last):
            raise ValueError(f"{self}: an offset lies outside the range")

    def __len__(self) -> int:
        return len(self.values)

    def split(self, last: int) -> tuple[Block, Block]:
        """The block up to the offset ``last``, and the rest; ``last`` lies before its own last."""
        at = int(self.offsets.searchsorted(last, "right"))
        head = {i: found for i, found in self.headers.items() if i < at}
        tail = {i - at: found for i, found in self.headers.items() if i >= at}
        return (
            Block(
                self.topic, self.partition, self.first, last, self.values[:at],
                self.offsets[:at], self.timestamps[:at], self.keys[:at], head,
            ),
            Block(
                self.topic, self.partition, last + 1, self.last, self.values[at:],
                self.offsets[at:], self.timestamps[at:], self.keys[at:], tail,
            ),
        )  # fmt: skip

    def __str__(self) -> str:
        return f"{self.topic}[{self.partition}]@{self.first}-{self.last}"

    @property
    def tp(self) -> TopicPartition:
        return TopicPartition(self.topic, self.partition)
