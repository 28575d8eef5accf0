"""Kafka's murmur2, vectorised over keys, to choose partitions as Kafka's own producers do.

Source: org.apache.kafka.common.utils.Utils.murmur2 (seed 0x9747b28c), and
BuiltInPartitioner.partitionForKey: ``(murmur2(key) & 0x7fffffff) % partitions``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

SEED = 0x9747B28C
M = np.uint32(0x5BD1E995)


def murmur2(keys: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """Hash the rows of a (n, width) matrix of bytes: n keys of one length."""
    n, width = keys.shape
    h = np.full(n, SEED ^ width, np.uint32)
    words = width // 4
    blocks = np.ascontiguousarray(keys[:, : words * 4]).view("<u4").astype(np.uint32)
    for i in range(words):
        k = blocks[:, i] * M
        k ^= k >> np.uint32(24)
        h = (h * M) ^ (k * M)
    tail = width - words * 4
    for i in reversed(range(tail)):
        h ^= keys[:, words * 4 + i].astype(np.uint32) << np.uint32(8 * i)
    if tail:
        h = h * M
    h ^= h >> np.uint32(13)
    h = h * M
    h ^= h >> np.uint32(15)
    return h


def partitions_of(keys: Sequence[bytes], partitions: int) -> npt.NDArray[np.int32]:
    """The partition of each key; keys may differ in length."""
    lengths = np.array([len(key) for key in keys])
    found = np.zeros(len(keys), np.int32)
    for length in np.unique(lengths):
        where = np.flatnonzero(lengths == length)
        joined = b"".join(keys[i] for i in where.tolist())
        matrix = np.frombuffer(joined, np.uint8).reshape(len(where), int(length))
        positive = murmur2(matrix) & np.uint32(0x7FFFFFFF)
        found[where] = (positive % np.uint32(partitions)).astype(np.int32)
    return found
