"""Consumed messages as a Block, for what reads a topic outside of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from confluent_kafka import Message

from headrace.block import Block, Header


def block_of(
    messages: Sequence[Message], *, first: int | None = None, headers: bool = False
) -> Block:
    """The messages, at least one and all of one partition in its order.

    ``first``: where the block begins, if that is before the first of them. Without their headers,
    unless they are asked for.
    """
    offsets = np.array([m.offset() for m in messages], np.int64)
    return Block(
        messages[0].topic(),
        messages[0].partition(),
        int(offsets[0]) if first is None else first,
        int(offsets[-1]),
        [m.value() for m in messages],
        offsets,
        np.array([m.timestamp()[1] for m in messages], np.int64),
        [m.key() for m in messages],
        _headers(messages) if headers else {},
    )


def _headers(messages: Sequence[Message]) -> dict[int, tuple[Header, ...]]:
    return {i: tuple(found) for i, m in enumerate(messages) if (found := m.headers())}
