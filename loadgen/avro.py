"""A vectorised Avro writer: many records at once, by field instead of by record.

Every field owns a slot of fixed width in a padded (n, width) matrix; a mask of the same shape says
which bytes are real. Taking the real bytes in row order yields all records back to back. So the
cost is a few array operations a field, however many records there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from loadgen.text import Bytes, Dictionary

Mask = npt.NDArray[np.bool_]
Numbers = npt.NDArray[np.integer]

DECIMAL_BYTES = 6  # cents up to 2^47: more than precision 12 needs


class Writer:
    """Writes ``n`` records field by field, in the schema's order.

    Fields take ``present``: rows where it is false get no bytes for it (the other branch of a
    union, or an array's end). ``width`` must be at least the sum of all slots.
    """

    def __init__(self, n: int, width: int) -> None:
        self._data = np.empty((n, width), np.uint8)
        self._real = np.zeros((n, width), np.bool_)
        self._used = 0
        self._n = n

    def raw(
        self, data: npt.NDArray[Any], real: Mask | None = None, present: Mask | None = None
    ) -> None:
        """Raw bytes: a row for all records (w,) or one each (n, w)."""
        start, stop = self._used, self._used + data.shape[-1]
        self._data[:, start:stop] = data
        if present is None:
            self._real[:, start:stop] = True if real is None else real
        else:
            self._real[:, start:stop] = (
                present[:, None] if real is None else real & present[:, None]
            )
        self._used = stop

    def constant(self, value: bytes) -> None:
        """The same bytes in every record."""
        self.raw(np.frombuffer(value, np.uint8))

    def small(self, values: Numbers, present: Mask | None = None) -> None:
        """Integers of 0..63, enum indexes and booleans (see ``flag``) as a one-byte varint."""
        self.raw((values.astype(np.uint8) << 1)[:, None], None, present)

    def flag(self, values: Mask) -> None:
        """Booleans: one byte, 0 or 1."""
        self.raw(values.view(np.uint8)[:, None])

    def integer(self, values: Numbers, width: int, present: Mask | None = None) -> None:
        """Non-negative int or long below 2^(7*width - 1), as zigzag varint of at most ``width``."""
        zigzag = values.astype(np.int64) << 1
        data = np.empty((self._n, width), np.uint8)
        real = np.empty((self._n, width), np.bool_)
        real[:, 0] = True
        for i in range(width):
            rest = zigzag >> 7
            more = rest > 0
            data[:, i] = (zigzag & 0x7F) | (more.astype(np.int64) << 7)
            if i + 1 < width:
                real[:, i + 1] = more
            zigzag = rest
        if zigzag.any():
            raise OverflowError(f"{int(values.max())} needs more than {width} bytes as a varint")
        self.raw(data, real, present)

    def decimal(self, cents: Numbers, present: Mask | None = None) -> None:
        """Non-negative decimals of scale 2 as ``bytes``: the fewest big-endian bytes."""
        unscaled = cents.astype(np.int64)
        data = np.empty((self._n, DECIMAL_BYTES + 1), np.uint8)
        real = np.ones((self._n, DECIMAL_BYTES + 1), np.bool_)
        size = np.ones(self._n, np.uint8)
        for i in range(1, DECIMAL_BYTES):
            needed = unscaled >= 1 << (8 * i - 1)  # a set top bit would mean a negative number
            size += needed
            real[:, DECIMAL_BYTES - i] = needed
        data[:, 0] = size << 1
        data[:, 1:] = (
            unscaled.astype(">i8").view(np.uint8).reshape(self._n, 8)[:, 8 - DECIMAL_BYTES :]
        )
        self.raw(data, real, present)

    def text(self, strings: Dictionary, codes: Numbers, present: Mask | None = None) -> None:
        """Strings of a dictionary; codes of absent rows may be anything."""
        safe = codes if present is None else np.where(present, codes, 0)
        self.raw(strings.avro[safe], strings.real[safe], present)

    def fixed_text(self, data: Bytes, present: Mask | None = None) -> None:
        """Strings of one length, below 64 bytes: (n, length)."""
        self.raw(np.array([data.shape[1] << 1], np.uint8), None, present)
        self.raw(data, None, present)

    def optional(self, present: Mask) -> None:
        """The branch of a union ["null", x]; x follows with the same ``present``."""
        self.raw((present.view(np.uint8) << 1)[:, None])

    def records(self) -> list[bytes]:
        """All records as bytes, in row order."""
        real = self._real[:, : self._used]
        joined = self._data[:, : self._used][real].tobytes()
        ends = np.cumsum(real.sum(axis=1)).tolist()
        starts = [0, *ends[:-1]] if ends else []
        return [joined[start:end] for start, end in zip(starts, ends, strict=True)]
