"""The intent: which block a worker is about to write, kept in Kafka's offset commit.

An offset commit carries a metadata string that is stored atomically with the offset and fenced by
the group's generation (KIP-27 onwards), so the group coordinator serves as a write-ahead log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_FORM = re.compile(r"headrace1(?: last=(\d{1,19}))?(?: marks=([a-z0-9_.:,/-]+))?")
_MARK = re.compile(r"([a-z][a-z0-9_.]*):(-1|\d{1,19})(?:/(\d{1,19})(?:/(\d{1,19}))?)?")


@dataclass(frozen=True, slots=True)
class Reached:
    """How far a sink was when a position was committed.

    ``held`` is what the sink itself would have answered (``Sink.watermarks``): if it answers less
    later, it lost something. ``applied`` is the last offset delivered to it when that is past the
    committed offset, because another sink was being caught up; else None. ``doubt`` is then the
    last offset of the block that starts right after ``applied``, if that one was intended before
    the catching up and may be applied in this sink already.
    """

    held: int
    applied: int | None = None
    doubt: int | None = None


@dataclass(frozen=True, slots=True)
class Position:
    """What is committed for a partition: everything below ``offset`` is applied.

    ``last`` names a block in doubt ``[offset..last]``: it may be applied in none, some or all
    sinks. ``None`` when there is none. ``marks`` says how far each sink was, by its name.
    """

    offset: int
    last: int | None = None
    marks: Mapping[str, Reached] = field(default_factory=dict)

    def metadata(self) -> str:
        """The string kept beside the offset."""
        parts = ["headrace1"]
        if self.last is not None:
            parts.append(f"last={self.last}")
        if self.marks:
            parts.append("marks=" + ",".join(_write(name, m) for name, m in self.marks.items()))
        return " ".join(parts)

    @classmethod
    def parse(cls, offset: int, metadata: str) -> Position:
        """Read a commit; metadata of other writers (plain Faust, kafka tools) says nothing."""
        form = _FORM.fullmatch(metadata)
        if form is None:
            return cls(offset)
        last = None if form[1] is None or int(form[1]) < offset else int(form[1])
        marks = {}
        for text in form[2].split(",") if form[2] else ():
            mark = _MARK.fullmatch(text)
            if mark is None:
                return cls(offset)
            applied, doubt = (None if n is None else int(n) for n in (mark[3], mark[4]))
            marks[mark[1]] = Reached(int(mark[2]), applied, doubt)
        return cls(offset, last, marks)


def _write(name: str, mark: Reached) -> str:
    numbers = [n for n in (mark.held, mark.applied, mark.doubt) if n is not None]
    return f"{name}:{'/'.join(map(str, numbers))}"
