"""The record headers that Headrace writes, and what they say. All values are UTF-8 text.

A **dead letter** carries its record's own headers and then ``LETTER``'s. A record that
``headrace dlq redrive`` sent back carries its own headers and then ``RETURNED``'s.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np
import numpy.typing as npt

from headrace.block import Block, Header

PREFIX: Final = "headrace."
TOPIC: Final = PREFIX + "topic"
PARTITION: Final = PREFIX + "partition"
OFFSET: Final = PREFIX + "offset"
#: The record's own timestamp, ms since 1970.
TIMESTAMP: Final = PREFIX + "timestamp"
STEP: Final = PREFIX + "step"
REASON: Final = PREFIX + "reason"
#: The type of the exception; empty when the step refused the record without one.
ERROR: Final = PREFIX + "error"
#: The agent that raised; empty for other steps.
AGENT: Final = PREFIX + "agent"
#: The writer's schema id as the value's first bytes claim it; empty when they claim none.
SCHEMA_ID: Final = PREFIX + "schema_id"
#: When the worker set it aside, ms since 1970. Of copies the least is the first time.
FIRST_SEEN: Final = PREFIX + "first_seen"
#: The version of Headrace that set it aside.
WORKER: Final = PREFIX + "worker"
#: How often this event was set aside: 1, and one more each time that a redriven copy failed.
ATTEMPTS: Final = PREFIX + "attempts"
#: On a record that was sent back: the position of its dead letter, ``partition:offset``. On a
#: record without a value in the dead-letter topic: the positions that were (see ``dlq.letter``).
REDRIVEN: Final = PREFIX + "redriven"

LETTER: Final = frozenset(
    (TOPIC, PARTITION, OFFSET, TIMESTAMP, STEP, REASON, ERROR, AGENT, SCHEMA_ID, FIRST_SEEN,
     WORKER, ATTEMPTS)
)  # fmt: skip
RETURNED: Final = frozenset((REDRIVEN, ATTEMPTS))


def own(headers: Iterable[Header]) -> list[Header]:
    """The headers that the producer gave, without those of a dead letter or of a redrive."""
    return [header for header in headers if header[0] not in LETTER | RETURNED]


def texts(headers: Iterable[Header]) -> dict[str, str]:
    """Headers by name as text; of a name that comes twice, the last. Any bytes are taken."""
    return {name: (value or b"").decode(errors="backslashreplace") for name, value in headers}


def attempts(headers: Mapping[str, str]) -> int:
    """How often a record with these headers was set aside before; 0 when nothing says so."""
    text = headers.get(ATTEMPTS, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def redriven(block: Block, offsets: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
    """Which of the block's records at ``offsets`` a redrive has sent."""
    index = np.searchsorted(block.offsets, offsets).tolist()
    carried = (block.headers.get(i, ()) for i in index)
    found = (any(name == REDRIVEN for name, _ in headers) for headers in carried)
    return np.fromiter(found, bool, len(index))
