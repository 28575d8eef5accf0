"""Lines in batches, without waiting for more than there are."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator

CHUNK_BYTES = 1 << 20


def at_hand(lines: Iterable[bytes]) -> Iterator[list[bytes]]:
    """Batches of lines: what a file or pipe has at hand each time; anything else one by one.

    A line is never held back for others to come. Line ends may or may not be on the lines.
    """
    if not isinstance(lines, io.BufferedReader):
        for line in lines:
            yield [line]
        return
    rest = b""
    while chunk := lines.read1(CHUNK_BYTES):
        whole = (rest + chunk).split(b"\n")
        rest = whole.pop()
        if whole:
            yield whole
    if rest:
        yield [rest]
