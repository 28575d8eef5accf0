"""CRC-32 (the one of zlib) over the rows of a byte matrix."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

POLYNOMIAL = 0xEDB88320


def _table() -> npt.NDArray[np.uint32]:
    crc = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        crc = np.where(crc & 1, (crc >> 1) ^ np.uint32(POLYNOMIAL), crc >> 1)
    return crc


TABLE = _table()


def crc32(matrix: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """The CRC-32 of each row."""
    crc = np.full(len(matrix), 0xFFFFFFFF, np.uint32)
    for column in matrix.T:
        crc = TABLE[(crc ^ column) & np.uint32(255)] ^ (crc >> np.uint32(8))
    return (crc ^ np.uint32(0xFFFFFFFF)).astype(np.int64)
