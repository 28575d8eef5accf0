"""Damaged records: each kind can be told from a good one by a strict reader, always."""

from __future__ import annotations

import numpy as np

from loadgen.rows import BAD

UNKNOWN_SCHEMA = 0x7FFF_FFF0


def _magic(value: bytes) -> bytes:
    return b"\x01" + value[1:]


def _schema(value: bytes) -> bytes:
    return value[:1] + UNKNOWN_SCHEMA.to_bytes(4, "big") + value[5:]


def _truncated(value: bytes) -> bytes:
    # No proper prefix of an Avro datum is a datum.
    return value[: 5 + (len(value) - 5) * 2 // 3]


def _trailing(value: bytes) -> bytes:
    return value + b"\x2a\x2a"


def _short(value: bytes) -> bytes:
    return value[:3]


KINDS = (_magic, _schema, _truncated, _trailing, _short)


def marks(rng: np.random.Generator, n: int) -> np.ndarray[tuple[int], np.dtype[np.uint8]]:
    """Values of ``mark`` for ``n`` rows to be damaged."""
    return (BAD + rng.integers(0, len(KINDS), n)).astype(np.uint8)


def damage(mark: int, value: bytes) -> bytes:
    """The record, damaged as its mark says."""
    return KINDS[mark - BAD](value)
