"""Checksums of every byte of a file, proven before Parquet's reader sees any of them.

Parquet has checksums of pages, but none of their headers or of the footer, and Arrow's reader can
end the whole process over a flipped bit there (seen with pyarrow 26: an abort). So the footer's
metadata has a CRC-32 of each row group's bytes, and the 8 bytes before the footer one of the footer
itself. Other readers of Parquet pass over both.
"""

from __future__ import annotations

import io
import struct
import zlib
from typing import Any

MAGIC = b"HRFC"
PARQUET = b"PAR1"
_SEAL = struct.Struct("<4sI")
#: What ends a file: the footer's length and Parquet's name.
_END = struct.Struct("<I4s")


class SummedFile(io.RawIOBase):
    """What Parquet's writer writes to. ``sums`` are those of the row groups so far."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = self._sum = 0
        self._begin = len(PARQUET)
        self._footer: bytearray | None = None
        #: Of each row group: where its bytes begin and end, and their CRC-32.
        self.sums: list[tuple[int, int, int]] = []

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def write(self, data: Any) -> int:
        size = len(data)
        if self._footer is not None:
            self._footer += data
        else:
            self._file.write(data)
            if self._at >= self._begin:  # not the name that a file begins with
                self._sum = zlib.crc32(data, self._sum)
        self._at += size
        return size

    def group_ends(self) -> None:
        """What was written since the last call is one row group."""
        self.sums.append((self._begin, self._at, self._sum))
        self._begin, self._sum = self._at, 0

    def footer_begins(self) -> None:
        """All that is written from here on is the footer; it goes to the file when this closes."""
        self._footer = bytearray()

    def close(self) -> None:
        if not self.closed and self._footer:
            self._file.write(_SEAL.pack(MAGIC, zlib.crc32(self._footer)))
            self._file.write(bytes(self._footer))
        super().close()


class ProvenFile(io.RawIOBase):
    """What Parquet's reader reads from: only bytes whose checksum was right.

    Raises ValueError when one is not. Holds the footer and one row group, and has
    only that to read.
    """

    def __init__(self, file: Any) -> None:
        self._file = file
        self._at = 0
        self._size = file.seek(0, io.SEEK_END)
        length, name = _END.unpack(self._bytes(self._size - _END.size, self._size))
        begin = self._size - _END.size - length
        if name != PARQUET or begin < len(PARQUET) + _SEAL.size:
            raise ValueError("it does not end as a Parquet file does")
        magic, expected = _SEAL.unpack(self._bytes(begin - _SEAL.size, begin))
        footer = self._bytes(begin, self._size)
        if magic != MAGIC or zlib.crc32(footer) != expected:
            raise ValueError("the checksum of its footer is wrong")
        #: Parquet's metadata, as it stands at the end of a file.
        self.footer = footer
        self._group = (0, b"")

    def prove(self, begin: int, end: int, expected: int) -> None:
        """Read a row group's bytes; from now on they can be read from here."""
        data = self._bytes(begin, end)
        if zlib.crc32(data) != expected:
            raise ValueError(f"the checksum of its bytes {begin} to {end} is wrong")
        self._group = (begin, data)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = base + offset
        return self._at

    def read(self, size: int = -1) -> bytes:
        end = self._size if size < 0 else min(self._at + size, self._size)
        begin, data = self._group
        if not (begin <= self._at and end <= begin + len(data)):
            raise ValueError(f"its bytes {self._at} to {end} have no checksum")
        found = data[self._at - begin : end - begin]
        self._at = end
        return found

    def _bytes(self, begin: int, end: int) -> bytes:
        if begin < 0:
            raise ValueError("it is too short")
        self._file.seek(begin)
        data: bytes = self._file.read(end - begin)
        if len(data) != end - begin:
            raise ValueError("it is too short")
        return data
