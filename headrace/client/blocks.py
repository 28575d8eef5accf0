"""Consumed messages as a Block, for what reads a topic outside of the pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from confluent_kafka import Message

from headrace.block import Block


def block_of(messages: Sequence[Message]) -> Block:
    """The messages, at least one and all of one partition in its order, without their headers."""
    offsets = np.array([m.offset() for m in messages], np.int64)
    return Block(
        messages[0].topic(),
        messages[0].partition(),
        int(offsets[0]),
        int(offsets[-1]),
        [m.value() for m in messages],
        offsets,
        np.array([m.timestamp()[1] for m in messages], np.int64),
        [m.key() for m in messages],
    )
