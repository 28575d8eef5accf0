"""Kafka's murmur2: which partition a key's records are in, as producers choose it.

Source: org.apache.kafka.common.utils.Utils.murmur2, and BuiltInPartitioner.partitionForKey.
"""

from __future__ import annotations

import struct

_SEED = 0x9747B28C
_M = 0x5BD1E995
_MASK = 0xFFFFFFFF


def murmur2(key: bytes) -> int:
    """The hash, as an unsigned 32-bit number."""
    length = len(key)
    h = _SEED ^ length
    whole = length >> 2
    for k in struct.unpack_from(f"<{whole}I", key):
        k = k * _M & _MASK  # noqa: PLW2901
        k ^= k >> 24  # noqa: PLW2901
        h = (h * _M & _MASK) ^ (k * _M & _MASK)
    tail = key[whole << 2 :]
    if tail:
        h = (h ^ int.from_bytes(tail, "little")) * _M & _MASK
    h ^= h >> 13
    h = h * _M & _MASK
    return h ^ (h >> 15)


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key that is not null."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions
