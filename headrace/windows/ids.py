"""Ids that follow from what they name, so that a repeated block emits the same events."""

from __future__ import annotations

import hashlib

import msgpack

BYTES = 16


def of(*parts: object) -> str:
    """32 hexadecimal digits: other parts, another id."""
    packed: bytes = msgpack.packb(parts)
    return hashlib.blake2b(packed, digest_size=BYTES).hexdigest()
