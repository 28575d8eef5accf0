"""Confluent's wire format: a zero byte, the schema id (4 bytes, big-endian), then the Avro body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from headrace.schema.cursors import PADDING, Chunk, Int64s

MAGIC: Final = 0
HEADER_BYTES: Final = 5


def frame(schema_id: int, body: bytes) -> bytes:
    """A record's value."""
    return bytes((MAGIC,)) + schema_id.to_bytes(4, "big") + body


def schema_id(value: bytes | None) -> int | None:
    """The schema id that a value's header claims; None when it is not framed."""
    if value is None or len(value) < HEADER_BYTES or value[0] != MAGIC:
        return None
    return int.from_bytes(value[1:HEADER_BYTES], "big")


def explain(value: bytes) -> str:
    """Why ``value`` is not framed."""
    if len(value) < HEADER_BYTES:
        return f"{len(value)} bytes are too short for the 5 bytes of Confluent's wire format"
    return (
        f"the first byte is {value[0]:#04x}, not 0x00: this is not Confluent's wire format; was it "
        "written without a schema registry's serializer?"
    )


@dataclass(frozen=True, slots=True, eq=False)
class Framed:
    """Values in one buffer: where each starts and ends, and its schema id (-1: not framed)."""

    chunk: Chunk
    start: Int64s
    end: Int64s
    ids: Int64s


def parse(values: Sequence[bytes], lengths: Int64s) -> Framed:
    """Join ``values`` (of ``lengths`` bytes) and read all their headers."""
    end = np.cumsum(lengths)
    start = end - lengths
    chunk = Chunk(b"".join([*values, bytes(PADDING)]), len(values))
    header = chunk.u8[start]
    ids = (header >> np.uint64(8)).astype(np.uint32).byteswap().astype(np.int64)
    ids[(lengths < HEADER_BYTES) | (chunk.buffer[start] != MAGIC)] = -1
    chunk.count_high((header & np.uint64(0xFFFFFFFF00))[ids >= 0])
    return Framed(chunk, start, end, ids)


def spans(lengths: Int64s, max_bytes: int) -> Iterator[tuple[int, int]]:
    """Cut values into runs ``[first, behind)`` of at most ``max_bytes``, or one longer value."""
    end = np.cumsum(lengths)
    first = done = 0
    while first < len(end):
        behind = max(first + 1, int(np.searchsorted(end, done + max_bytes, "right")))
        yield first, behind
        first, done = behind, int(end[behind - 1])
