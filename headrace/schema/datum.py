"""One datum read alone, value by value, with the reason when it can't be.

The slow twin of ``cursors``: the same rules, but for a single datum and in words. It decides about
datums that the cursors flagged. Avro's own rules are applied strictly: a boolean is 0 or 1, an int
fits 32 bits, a varint 64 bits, nothing is left over at the end.
"""

from __future__ import annotations

from typing import Final

#: Records may stand in each other this deep. Avro sets no limit; the interpreter's stack does.
MAX_DEPTH: Final = 64
INT_MIN, INT_MAX = -(2**31), 2**31 - 1


class Malformed(Exception):
    """The bytes are not what the schema says; the text says where and why."""

    def __init__(self, text: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(f"field {'.'.join(path)!r}: {text}" if path else text)
        self.text = text
        self.path = path

    def within(self, field: str) -> Malformed:
        """The same, seen from the record around it."""
        return Malformed(self.text, (field, *self.path))


class Datum:
    """A read position in one datum. Positions in texts count from the start of the value."""

    __slots__ = ("at", "data", "depth", "empty_items", "end")

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.data = data
        self.at = at
        self.end = len(data)
        self.depth = 0
        self.empty_items = 0

    def varint(self) -> int:
        start, shift, raw = self.at, 0, 0
        while True:
            if self.at >= self.end:
                raise Malformed(f"a number at byte {start} runs past the end ({self.end} bytes)")
            byte = self.data[self.at]
            self.at += 1
            raw |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                break
            if shift >= 70:
                raise Malformed(f"a number at byte {start} has more than 10 bytes")
        if raw >> 64:
            raise Malformed(f"a number at byte {start} does not fit 64 bits")
        return (raw >> 1) ^ -(raw & 1)

    def integer(self, low: int, high: int, what: str) -> int:
        start, value = self.at, self.varint()
        if not low <= value <= high:
            raise Malformed(f"{value} at byte {start} is no {what}")
        return value

    def take(self, size: int, start: int | None = None) -> bytes:
        """The next ``size`` bytes; ``start`` is where the size was read, if it was."""
        if size < 0 or size > self.end - self.at:
            what = f"{size} bytes" if start is None else f"length {size}"
            place = self.at if start is None else start
            raise Malformed(f"{what} at byte {place} runs past the end ({self.end} bytes)")
        self.at += size
        return self.data[self.at - size : self.at]

    def block(self) -> bytes:
        """Bytes with their length before them."""
        start = self.at
        return self.take(self.varint(), start)

    def text(self) -> bytes:
        """A string's bytes, proven to be UTF-8."""
        start, raw = self.at, self.block()
        try:
            raw.decode()
        except UnicodeDecodeError as error:
            raise Malformed(f"the string at byte {start} is not UTF-8: {error.reason}") from None
        return raw

    def finish(self) -> None:
        """Prove that nothing is left."""
        if self.at != self.end:
            left = self.end - self.at
            raise Malformed(f"{left} bytes are left over behind byte {self.at}")
