"""What a file's footer says it holds: compared with its name and its rows when it is read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from headrace.archive.names import File
from headrace.block import TopicPartition

PREFIX = "headrace."
FORMAT = "1"
SUMS = "crc32"

Sum = tuple[int, int, int]


def describe(tp: TopicPartition, file: File, rows: int, sums: Sequence[Sum]) -> dict[str, str]:
    """The footer's keys and values: what the name says, and each row group's place and CRC-32."""
    found = {
        "format": FORMAT,
        "topic": tp.topic,
        "partition": str(tp.partition),
        "first": str(file.first),
        "last": str(file.last),
        "rows": str(rows),
        SUMS: json.dumps(sums),
    }
    return {PREFIX + key: text for key, text in found.items()}


def agreed(
    tp: TopicPartition, file: File, rows: int, footer: Mapping[bytes, bytes] | None
) -> tuple[Sum, ...]:
    """The row groups' sums. Raises ValueError if the footer says anything else than it must."""
    texts = {key.decode(): value.decode() for key, value in (footer or {}).items()}
    sums = tuple((b, e, s) for b, e, s in json.loads(texts.get(PREFIX + SUMS, "[]")))
    for key, expected in describe(tp, file, rows, sums).items():
        if key != PREFIX + SUMS and texts.get(key) != expected:
            raise ValueError(f"its footer has {key} {texts.get(key)!r}, not {expected!r}")
    return sums
