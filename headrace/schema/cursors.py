"""Cursors: one read position for each datum, moved together.

All datums of a chunk lie in one buffer. An operation here reads one value of every datum at once:
NumPy gathers the bytes under all cursors, and what would be a loop over records is arithmetic on
arrays. Two rules hold after every operation, whatever the bytes say:

* ``at <= end`` for every cursor: no datum reads past its own end, so none can change a neighbour;
* a datum that breaks a rule is *flagged*: its cursor jumps to its end and its values read as 0.

A flagged datum is not yet bad: ``datum`` decodes it alone, and that decides and words the reason.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Words = npt.NDArray[np.uint64]

#: Zero bytes behind the last datum, so that a window at any cursor lies in the buffer.
PADDING: Final = 32

_ONE = np.uint64(1)
_HIGH_BITS = np.uint64(0x8080808080808080)
_LOW_BITS = np.uint64(0x7F7F7F7F7F7F7F7F)


class Chunk:
    """What the cursors of one chunk share.

    ``flagged`` has an element for each datum. ``extra`` holds bytes of strings that are not in the
    buffer. ``strings`` collects where strings lie and ``high`` counts the bytes >= 0x80 met outside
    of strings, both for ``utf8``; ``countable`` turns False when some bytes could not be counted.
    """

    __slots__ = ("buffer", "countable", "extra", "flagged", "high", "strings", "u4", "u8")

    def __init__(self, data: bytes, datums: int) -> None:
        """``data`` ends in ``PADDING`` zero bytes that belong to no datum."""
        self.buffer: Bytes = np.frombuffer(data, np.uint8)
        # Windows: element i is the little-endian integer that starts at byte i.
        self.u8: Words = np.ndarray((len(data) - 7,), "<u8", data, 0, (1,))
        self.u4: npt.NDArray[np.uint32] = np.ndarray((len(data) - 3,), "<u4", data, 0, (1,))
        self.flagged: Bools = np.zeros(datums, np.bool_)
        self.extra = bytearray()
        self.strings: list[tuple[Int64s, Int64s, Int64s]] = []
        self.high = 0
        self.countable = True

    def windows(self, size: int) -> npt.NDArray[np.unsignedinteger]:
        """The windows of ``size`` bytes, 4 or 8."""
        return self.u4 if size == 4 else self.u8

    def count_high(self, words: npt.NDArray[np.unsignedinteger]) -> None:
        """Note the bytes >= 0x80 in ``words``, which hold bytes of the buffer outside strings."""
        mask = words.dtype.type(int(_HIGH_BITS) >> (64 - 8 * words.itemsize))
        self.high += int(np.bitwise_count(words & mask).sum(dtype=np.int64))


class Cursors:
    """Positions ``at`` and limits ``end`` in the chunk's buffer, for the datums ``rows``."""

    __slots__ = ("at", "chunk", "end", "rows")

    def __init__(self, chunk: Chunk, rows: Int64s, at: Int64s, end: Int64s) -> None:
        self.chunk = chunk
        self.rows = rows
        self.at = at
        self.end = end

    def __len__(self) -> int:
        return len(self.at)

    def select(self, index: Int64s) -> Cursors:
        """Cursors of some of the datums; hand them to :meth:`rejoin` when they have moved."""
        return Cursors(self.chunk, self.rows[index], self.at[index], self.end[index])

    def rejoin(self, index: Int64s, moved: Cursors) -> None:
        """Take over where the cursors that ``select(index)`` gave now stand."""
        self.at[index] = moved.at

    def flag(self, broken: Bools) -> bool:
        """Flag the datums under ``broken`` and end their reading; say if there were any."""
        if not broken.any():
            return False
        index = np.flatnonzero(broken)
        self.chunk.flagged[self.rows[index]] = True
        self.at[index] = self.end[index]
        return True

    def advance(self, size: int | Int64s) -> Bools | None:
        """Move every cursor; the mask of those that could not, now flagged, or None."""
        moved = self.at + size
        over = moved > self.end
        self.at = moved
        return over if self.flag(over) else None

    def varint(self) -> Int64s:
        """One zigzag varint (Avro's int and long, lengths, counts, branches) of every datum."""
        first = self.chunk.buffer[self.at]
        longer = first > 0x7F
        count = np.count_nonzero(longer)
        if count == 0:
            value = _unzigzag_byte(first)
            over = self.advance(1)
        elif count * 3 < len(first):
            # Few are longer than a byte: take the long way only for those.
            index = np.flatnonzero(longer)
            value = _unzigzag_byte(first)
            value[index], long_size = self._long(self.at[index])
            size = np.ones(len(first), np.int64)
            size[index] = long_size
            over = self._advance_counting(size)
        else:
            value, size = self._long(self.at)
            over = self._advance_counting(size)
        if over is not None:
            value[over] = 0
        return value

    def _advance_counting(self, size: Int64s) -> Bools | None:
        over = self.advance(size)
        counted = size if over is None else size[~over]
        self.chunk.high += int(counted.sum()) - len(counted)
        return over

    def _long(self, at: Int64s) -> tuple[Int64s, Int64s]:
        """Values and sizes of varints of any length; an overlong one gets a size past any end."""
        window = self.chunk.u8[at]
        stop = ~window & _HIGH_BITS  # a bit for every byte that may end a varint; the lowest does
        below = stop ^ (stop - _ONE)  # ones up to and with that bit; all ones if there is none
        size = (np.bitwise_count(below) >> 3).astype(np.int64)
        raw = window & below & _LOW_BITS
        # Close the gaps between groups of 7 bits: pairs, then fours, then eights.
        raw = (raw & np.uint64(0x007F007F007F007F)) | (
            (raw & np.uint64(0x7F007F007F007F00)) >> _ONE
        )
        raw = (raw & np.uint64(0x00003FFF00003FFF)) | (
            (raw & np.uint64(0x3FFF00003FFF0000)) >> np.uint64(2)
        )
        raw = (raw & np.uint64(0x000000000FFFFFFF)) | (
            (raw & np.uint64(0x0FFFFFFF00000000)) >> np.uint64(4)
        )
        if not stop.all():
            self._nine_or_ten(at, np.flatnonzero(stop == 0), raw, size)
        value = (raw >> _ONE).view(np.int64) ^ -(raw & _ONE).view(np.int64)
        return value, size

    def _nine_or_ten(self, at: Int64s, index: Int64s, raw: Words, size: Int64s) -> None:
        ninth = self.chunk.buffer[at[index] + 8].astype(np.uint64)
        tenth = self.chunk.buffer[at[index] + 9].astype(np.uint64)
        more = ninth > 0x7F
        raw[index] |= (ninth & np.uint64(0x7F)) << np.uint64(56)
        raw[index] |= np.where(more, tenth & _ONE, np.uint64(0)) << np.uint64(63)
        # The tenth byte holds one bit; anything else there overflows 64 bits.
        size[index] = np.where(more, np.where(tenth > 1, np.iinfo(np.int32).max, 10), 9)

    def span(self, length: Int64s) -> tuple[Int64s, Int64s]:
        """Pass over ``length`` bytes of every datum: where they start and how many they are."""
        start = self.at
        broken = (length < 0) | (length > self.end - start)
        if broken.any():
            length = np.where(broken, 0, length)
            self.at = start + length
            self.flag(broken)
        else:
            self.at = start + length
        return start, length

    def word(self, size: int) -> npt.NDArray[np.unsignedinteger]:
        """The ``size`` (4 or 8) bytes under every cursor, as a little-endian integer."""
        word = self.chunk.windows(size)[self.at]
        over = self.advance(size)
        if over is not None:
            word[over] = 0
        self.chunk.count_high(word)
        return word


def _unzigzag_byte(raw: Bytes) -> Int64s:
    return ((raw >> 1).view(np.int8) ^ -(raw & 1).view(np.int8)).astype(np.int64)
