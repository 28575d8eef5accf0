"""The records of a run as a reader of the topics sees them: decoded by fastavro, in send order."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import fastavro

from loadgen import Chunk
from loadgen.rows import BAD, DUPLICATE
from loadgen.wiring import ROOT


@dataclass(frozen=True, slots=True)
class Record:
    """One good record."""

    stream: str
    topic: str
    partition: int
    seq: int
    key: bytes
    duplicate: bool
    event: dict[str, Any]

    @property
    def at(self) -> int:
        """Event time in ms."""
        return round(self.event["occurred_at"].timestamp() * 1000)


@cache
def schema(stream: str) -> Any:
    """The contract, parsed."""
    return fastavro.schema.load_schema(str(ROOT / "schemas" / f"{stream}.avsc"))


def decode(stream: str, value: bytes) -> dict[str, Any]:
    """Decode a framed value; it must be used up to its last byte."""
    body = io.BytesIO(value[5:])
    event = fastavro.schemaless_reader(body, schema(stream), None)
    assert body.read() == b""
    assert isinstance(event, dict)
    return event


def good(chunks: Iterable[Chunk]) -> Iterator[Record]:
    """All undamaged records in the order of sending."""
    for chunk in chunks:
        found = []
        for stream, batch in chunk.batches.items():
            for i, value in enumerate(batch.values):
                mark = int(batch.rows["mark"][i])
                if mark < BAD:
                    found.append(
                        Record(
                            stream,
                            batch.topic,
                            int(batch.partitions[i]),
                            int(batch.seq[i]),
                            batch.keys[i],
                            mark == DUPLICATE,
                            decode(stream, value),
                        )
                    )
        yield from sorted(found, key=lambda record: record.seq)
