"""Strings as byte matrices: dictionaries, numbered ids, ULIDs, trace ids."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

CROCKFORD = np.frombuffer(b"0123456789ABCDEFGHJKMNPQRSTVWXYZ", np.uint8)
HEX = np.frombuffer(b"0123456789abcdef", np.uint8)
#: All two-digit hexadecimal strings: (256, 2).
HEX_PAIRS = np.stack([np.repeat(HEX, 16), np.tile(HEX, 16)], axis=1)


class Dictionary:
    """A fixed list of strings, ready to be gathered by code as Avro strings.

    ``avro`` is (n, width) bytes: the length as a varint, then UTF-8, padded; ``real`` says which
    bytes count. Strings longer than 63 bytes are refused: their length would take two bytes.
    """

    def __init__(self, values: Sequence[str]) -> None:
        self.values = list(values)
        self.encoded = [value.encode() for value in self.values]
        sizes = np.array([len(raw) for raw in self.encoded])
        if sizes.max() > 63:
            raise ValueError(f"longer than 63 bytes: {self.values[int(sizes.argmax())]!r}")
        width = int(sizes.max()) + 1
        self.avro = np.zeros((len(self.values), width), np.uint8)
        self.avro[:, 0] = sizes * 2
        self.real = np.arange(width) <= sizes[:, None]
        self.avro[:, 1:][self.real[:, 1:]] = np.frombuffer(b"".join(self.encoded), np.uint8)
        self.objects = np.array([*self.encoded, None], dtype=object)[:-1]

    def __len__(self) -> int:
        return len(self.values)

    def keys(self, codes: npt.NDArray[np.integer]) -> list[bytes]:
        """The strings of these codes as (shared) bytes objects."""
        return self.objects[codes].tolist()  # type: ignore[no-any-return]


def numbered(prefix: str, numbers: npt.NDArray[np.integer], digits: int) -> Bytes:
    """``prefix`` and the zero-padded number: (n, len(prefix) + digits) bytes."""
    head = np.frombuffer(prefix.encode(), np.uint8)
    out = np.empty((len(numbers), len(head) + digits), np.uint8)
    out[:, : len(head)] = head
    rest = numbers.astype(np.int64)
    for position in reversed(range(len(head), len(head) + digits)):
        rest, digit = np.divmod(rest, 10)
        out[:, position] = digit + ord("0")
    return out


def ulids(at_ms: Ints, high: npt.NDArray[np.uint16], low: npt.NDArray[np.uint64]) -> Bytes:
    """ULIDs: 48 bits of time, then 80 random bits (``high`` 16, ``low`` 64): (n, 26) bytes."""
    out = np.empty((len(at_ms), 26), np.uint8)
    time = at_ms.astype(np.uint64)
    for i in range(10):
        out[:, i] = (time >> np.uint64(5 * (9 - i))) & np.uint64(31)
    # 80 bits are 16 digits of 5; digit 3 takes 1 bit from `high` and 4 from `low`.
    top = high.astype(np.uint64)
    out[:, 10] = (top >> np.uint64(11)) & np.uint64(31)
    out[:, 11] = (top >> np.uint64(6)) & np.uint64(31)
    out[:, 12] = (top >> np.uint64(1)) & np.uint64(31)
    out[:, 13] = ((top & np.uint64(1)) << np.uint64(4)) | (low >> np.uint64(60))
    for i in range(12):
        out[:, 14 + i] = (low >> np.uint64(5 * (11 - i))) & np.uint64(31)
    return CROCKFORD[out]


def traces(low: npt.NDArray[np.uint64]) -> Bytes:
    """W3C trace ids, derived from an event's random bits: (n, 32) lower-case hexadecimal."""
    first = _mix(low ^ np.uint64(0x9E3779B97F4A7C15))
    both = np.stack([first, _mix(first)], axis=1).astype(">u8").view(np.uint8)
    return HEX_PAIRS[both].reshape(len(low), 32)


def _mix(x: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """The finaliser of splitmix64."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


def strings(matrix: Bytes) -> list[str]:
    """The rows of a byte matrix as text."""
    width = matrix.shape[1]
    joined = matrix.tobytes().decode("ascii")
    return [joined[i : i + width] for i in range(0, len(joined), width)]
