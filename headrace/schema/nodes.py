"""What reads a value: the base of all nodes, and those for values without parts.

A node is compiled for a pair of types, the writer's and the reader's (``resolve``). It reads one
value of every datum at once (``read``, or ``skip`` where nobody wants the column) and of one datum
alone (``scan``). The three accept and refuse exactly the same bytes.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import numpy.typing as npt

from headrace.schema.columns import Column, Leaf
from headrace.schema.cursors import Bools, Cursors, Int64s
from headrace.schema.datum import Datum, Malformed
from headrace.schema.values import decimal_text
from headrace.schema.views import views


class Node(ABC):
    """Reads one value of the writer's type as one of the reader's."""

    #: The fewest bytes that a value takes.
    low: int = 1

    @abstractmethod
    def read(self, cursors: Cursors) -> Column:
        """Read a value of every datum; a column of ``len(cursors)`` rows."""

    def skip(self, cursors: Cursors) -> None:
        """Prove a value of every datum and drop it."""
        self.read(cursors)

    @abstractmethod
    def scan(self, datum: Datum) -> Any:
        """Read one value of one datum, physical as in ``values``; raise Malformed."""


class Null(Node):
    low = 0

    def read(self, cursors: Cursors) -> Column:
        return Leaf(np.zeros(len(cursors), np.bool_), np.zeros(len(cursors), np.bool_))

    def scan(self, datum: Datum) -> None:
        return None


class Boolean(Node):
    def read(self, cursors: Cursors) -> Column:
        raw = cursors.chunk.buffer[cursors.at]
        over = cursors.advance(1)
        if over is not None:
            raw[over] = 0
        cursors.flag(raw > 1)
        return Leaf(raw == 1)

    def scan(self, datum: Datum) -> bool:
        raw = datum.take(1)[0]
        if raw > 1:
            raise Malformed(f"{raw} at byte {datum.at - 1} is no boolean (0 or 1)")
        return raw == 1


class Integer(Node):
    """An int or long, or a logical type on one; ``factor`` converts its unit."""

    def __init__(
        self, low: int, high: int, what: str, dtype: type[np.generic], factor: int = 1
    ) -> None:
        self._low, self._high = low, high
        self._what = what
        self._dtype = dtype
        self._factor = factor
        self._real = issubclass(dtype, np.floating)
        self._any = (low, high) == (-(2**63), 2**63 - 1)

    def read(self, cursors: Cursors) -> Column:
        value = self._checked(cursors)
        if self._factor != 1:
            value *= self._factor
        return Leaf(value.astype(self._dtype, copy=False))

    def skip(self, cursors: Cursors) -> None:
        self._checked(cursors)

    def _checked(self, cursors: Cursors) -> Int64s:
        value = cursors.varint()
        if not self._any:
            out = (value < self._low) | (value > self._high)
            if cursors.flag(out):
                value[out] = 0
        return value

    def scan(self, datum: Datum) -> int | float:
        value = datum.integer(self._low, self._high, self._what) * self._factor
        return float(value) if self._real else value


class Real(Node):
    """A float or double, read as ``dtype``."""

    def __init__(self, kind: str, dtype: type[np.generic]) -> None:
        self.low = 4 if kind == "float" else 8
        self.wire: npt.DTypeLike = np.float32 if kind == "float" else np.float64
        self.dtype = dtype

    def read(self, cursors: Cursors) -> Column:
        return Leaf(cursors.word(self.low).view(self.wire).astype(self.dtype, copy=False))

    def skip(self, cursors: Cursors) -> None:
        cursors.word(self.low)

    def scan(self, datum: Datum) -> float:
        return float(np.frombuffer(datum.take(self.low), self.wire)[0])


class Block(Node):
    """Bytes or a string, or a fixed if ``size`` is given; ``utf8`` if they have to be text."""

    def __init__(self, utf8: bool, size: int | None = None) -> None:
        self.low = 1 if size is None else size
        self._size = size
        self._utf8 = utf8

    def read(self, cursors: Cursors) -> Column:
        at, length = self._span(cursors)
        return Leaf(views(cursors.chunk, at, length))

    def skip(self, cursors: Cursors) -> None:
        self._span(cursors)

    def _span(self, cursors: Cursors) -> tuple[Int64s, Int64s]:
        if self._size is None:
            length = cursors.varint()
        else:
            length = np.full(len(cursors), self._size, np.int64)
        at, length = cursors.span(length)
        if self._utf8:
            cursors.chunk.strings.append((cursors.rows, at, length))
        else:
            cursors.chunk.countable = False
        return at, length

    def scan(self, datum: Datum) -> bytes:
        if self._size is not None:
            return datum.take(self._size)
        return datum.text() if self._utf8 else datum.block()


class Symbol(Node):
    """An enum; ``codes[i]`` is the reader's code for the writer's symbol i, -1 if it has none."""

    def __init__(self, name: str, symbols: tuple[str, ...], codes: list[int]) -> None:
        self._name = name
        self._symbols = symbols
        self._codes = np.array(codes, np.int64)
        self._same = codes == list(range(len(codes)))

    def read(self, cursors: Cursors) -> Column:
        code = cursors.varint()
        out = code.view(np.uint64) >= np.uint64(len(self._codes))
        if cursors.flag(out):
            code[out] = 0
        if not self._same:
            code = self._codes[code]
            unknown = code < 0
            if cursors.flag(unknown):
                code[unknown] = 0
        return Leaf(code.astype(np.uint32))

    def scan(self, datum: Datum) -> int:
        start = datum.at
        code = datum.varint()
        if not 0 <= code < len(self._codes):
            raise Malformed(
                f"{code} at byte {start} is no symbol of enum {self._name} "
                f"(0 to {len(self._codes) - 1})"
            )
        found = int(self._codes[code])
        if found < 0:
            raise Malformed(
                f"symbol {self._symbols[code]!r} at byte {start} is not in the reader's enum "
                f"{self._name}, which has no default"
            )
        return found


class Decimal(Node):
    """A decimal in bytes, or in a fixed if ``size`` is given: big-endian two's complement."""

    def __init__(self, precision: int, scale: int, size: int | None = None) -> None:
        self.low = 1 if size is None else size
        self._precision, self._scale = precision, scale
        self._size = size
        self._limit = 10**precision

    def read(self, cursors: Cursors) -> Column:
        length = (
            cursors.varint() if self._size is None else np.full(len(cursors), self._size, np.int64)
        )
        at, length = cursors.span(length)
        words = np.empty((len(at), 2), np.int64)
        if (length > 8).any():
            words[:] = self._wide(cursors, at, length)
        else:
            words[:, 0] = self._narrow(cursors, at, length)
            words[:, 1] = words[:, 0] >> 63
        over = self._too_large(words)
        if over is not None and cursors.flag(over):
            words[over] = 0
        return Leaf(words)

    def _narrow(self, cursors: Cursors, at: Int64s, length: Int64s) -> Int64s:
        """Up to 8 bytes: the top of a big-endian window, shifted down with its sign."""
        raw = cursors.chunk.u8[at].byteswap()
        shift = 64 - 8 * length
        value = raw.view(np.int64) >> np.minimum(shift, 63)
        value[length == 0] = 0
        used = raw & (np.uint64(2**64 - 1) << np.minimum(shift, 63).view(np.uint64))
        used[length == 0] = 0
        cursors.chunk.count_high(used)
        return value

    def _wide(self, cursors: Cursors, at: Int64s, length: Int64s) -> npt.NDArray[np.int64]:
        """Up to 16 bytes: the last 8 are the low word, those before it the high word.

        Bytes before those may only repeat the sign. More than 8 of them are left to ``scan``.
        """
        cursors.chunk.countable = False
        more = np.maximum(length - 16, 0)
        head = np.clip(length - 8, 0, 8)
        start = at + more
        low = np.where(
            head > 0,
            cursors.chunk.u8[start + head].byteswap().view(np.int64),
            self._narrow(cursors, start, np.minimum(length, 8)),
        )
        high = np.where(head > 0, self._narrow(cursors, start, head), low >> 63)
        if more.any():
            sign = self._narrow(cursors, at, np.minimum(more, 8))
            odd = (more > 8) | ((more > 0) & (sign != high >> 63))
            if cursors.flag(odd):
                low[odd] = high[odd] = 0
        return np.stack([low, high], axis=1)

    def _too_large(self, words: npt.NDArray[np.int64]) -> Bools | None:
        if self._precision <= 18:
            low, high = words[:, 0], words[:, 1]
            fits = (low > -self._limit) & (low < self._limit) & (high == low >> 63)
            return None if fits.all() else ~fits
        return _not_below(words, self._limit) | ~_not_below(words, 1 - self._limit)

    def scan(self, datum: Datum) -> int:
        start = datum.at
        raw = datum.block() if self._size is None else datum.take(self._size)
        value = int.from_bytes(raw, "big", signed=True)
        if abs(value) >= self._limit:
            shown = decimal_text(value, self._scale) if len(raw) <= 32 else f"{len(raw)} bytes"
            raise Malformed(
                f"{shown} at byte {start} does not fit decimal({self._precision}, {self._scale})"
            )
        return value


def _not_below(words: npt.NDArray[np.int64], bound: int) -> Bools:
    """Which 128-bit integers (low word, high word) are ``bound`` or more."""
    low, high = words[:, 0].view(np.uint64), words[:, 1]
    bound_low, bound_high = bound & (2**64 - 1), bound >> 64
    above: Bools = (high > bound_high) | ((high == bound_high) & (low >= np.uint64(bound_low)))
    return above
