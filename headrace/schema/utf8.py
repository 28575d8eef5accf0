"""Prove that every string of a chunk is UTF-8, in one pass where they are all ASCII.

While a chunk is read, the cursors count the bytes >= 0x80 that they meet outside of strings (in
varints, floats, decimals, headers). If that is as many as the chunk has at all, then no string has
any: they are ASCII, and one pass over the buffer has proven them all. Each byte is counted at most
once, and never one of a string, so the count can fall short but not lie. Where it falls short,
Arrow checks the strings.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import pyarrow as pa

from headrace.schema.arrow import buffer
from headrace.schema.cursors import Chunk, Int64s

_BY_HAND: Final = 16


def flag_invalid(chunk: Chunk) -> None:
    """Flag the datums with a string that is not UTF-8."""
    if chunk.strings and not _all_ascii(chunk):
        for rows, at, length in chunk.strings:
            _check(chunk, rows, at, length)


def _all_ascii(chunk: Chunk) -> bool:
    return chunk.countable and np.count_nonzero(chunk.buffer > 0x7F) == chunk.high


def _check(chunk: Chunk, rows: Int64s, at: Int64s, length: Int64s) -> None:
    if not len(at):
        return
    # Strings are apart from each other; Arrow wants offsets without gaps, so gaps become nulls.
    offsets = np.empty(2 * len(at) + 1, np.int32)
    offsets[0:-1:2] = at
    offsets[1::2] = at + length
    offsets[-1] = offsets[-2]
    every_other = np.full(len(at) // 4 + 1, 0b01010101, np.uint8)
    buffers: list[pa.Buffer | None] = [buffer(every_other), buffer(offsets), buffer(chunk.buffer)]
    strings = pa.Array.from_buffers(pa.string(), 2 * len(at), buffers)
    for row in _invalid(strings, 0, len(at)):
        chunk.flagged[rows[row]] = True


def _invalid(strings: pa.Array[Any], first: int, behind: int) -> list[int]:
    """Which of the strings ``[first, behind)`` are not UTF-8, by halving where Arrow says no."""
    if _valid(strings.slice(2 * first, 2 * (behind - first))):
        return []
    if behind - first <= _BY_HAND:
        return [row for row in range(first, behind) if not _valid(strings.slice(2 * row, 1))]
    middle = (first + behind) // 2
    return _invalid(strings, first, middle) + _invalid(strings, middle, behind)


def _valid(strings: pa.Array[Any]) -> bool:
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True
