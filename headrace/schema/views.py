"""Strings as Arrow views: 16 bytes each, short ones inline, long ones pointing into a buffer.

A view is a length (4 bytes), then either up to 12 bytes of data, or the first 4 bytes, the number
of the buffer and the offset in it. No byte of a long string is copied.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from headrace.schema.cursors import Chunk, Int64s, Words

INLINE: Final = 12
_DATA, _EXTRA = 0, 1  # numbers of the buffers
#: ``_KEEP[n]`` keeps the low n bytes of a word.
_KEEP = np.array([(1 << 8 * n) - 1 for n in range(9)], np.uint64)


def views(chunk: Chunk, at: Int64s, length: Int64s) -> Words:
    """Views of the strings at ``at`` in the chunk's buffer, shape (n, 2)."""
    result = np.empty((len(at), 2), np.uint64)
    parts = result.view(np.uint32)
    parts[:, 0] = length
    parts[:, 1] = chunk.u4[at]
    parts[:, 2] = _DATA
    parts[:, 3] = at
    short = np.flatnonzero(length <= INLINE)
    if len(short):
        _inline(chunk, result, short, at, length)
    return result


def _inline(chunk: Chunk, result: Words, short: Int64s, at: Int64s, length: Int64s) -> None:
    if len(short) < len(at):
        at, length = at[short], length[short]
    head = chunk.u4[at] & _KEEP.take(np.minimum(length, 4)).astype(np.uint32)
    tail = chunk.u8[at + 4] & _KEEP.take(np.maximum(length - 4, 0))
    if len(short) == len(result):
        result.view(np.uint32)[:, 1] = head
        result[:, 1] = tail
    else:
        result.view(np.uint32)[short, 1] = head
        result[short, 1] = tail


def interned(chunk: Chunk, values: list[bytes | None]) -> Words:
    """Views of ``values``, whose bytes go to the chunk's extra buffer; None reads as empty."""
    result = np.zeros((len(values), 2), np.uint64)
    for row, value in enumerate(values):
        if value:
            size = len(value).to_bytes(4, "little")
            if len(value) <= INLINE:
                view = size + value.ljust(INLINE, b"\0")
            else:
                place = len(chunk.extra).to_bytes(4, "little")
                view = size + value[:4] + _EXTRA.to_bytes(4, "little") + place
                chunk.extra += value
            result[row] = np.frombuffer(view, np.uint64)
    return result
