"""The intent: which block a worker is about to write, kept in Kafka's offset commit.

An offset commit carries a metadata string that is stored atomically with the offset and fenced by
the group's generation (KIP-27 onwards), so the group coordinator serves as a write-ahead log.
"""

from __future__ import annotations

from dataclasses import dataclass

_PREFIX = "headrace1 last="


@dataclass(frozen=True, slots=True)
class Position:
    """What is committed for a partition: everything below ``offset`` is applied.

    ``last`` names a block in doubt ``[offset..last]``: it may be applied in none, some or all
    sinks. ``None`` when there is none.
    """

    offset: int
    last: int | None = None

    def metadata(self) -> str:
        """The string kept beside the offset."""
        return "" if self.last is None else f"{_PREFIX}{self.last}"

    @classmethod
    def parse(cls, offset: int, metadata: str) -> Position:
        """Read a commit; metadata of other writers (plain Faust, kafka tools) means no intent."""
        if not metadata.startswith(_PREFIX):
            return cls(offset)
        digits = metadata[len(_PREFIX) :]
        if not digits.isdecimal() or int(digits) < offset:
            return cls(offset)
        return cls(offset, int(digits))
