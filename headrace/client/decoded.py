"""A topic's messages as people are shown them: decoded to JSON, private fields hidden or opened."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from confluent_kafka import Message

from headrace.client.blocks import block_of
from headrace.private.fields import PrivateFields
from headrace.private.protect import Protector
from headrace.private.ring import KeyRing
from headrace.schema import Codec, Encoder
from headrace.schemas import registry_of
from headrace.topology.model import Topology


class DecodedEvents:
    """Private fields are hidden; with a key ring they are in clear where it has the key."""

    def __init__(
        self, root: Path, topology: Topology, topic: str, ring: KeyRing | None = None
    ) -> None:
        """Raises ConfigError for a topic that is not declared."""
        declared = topology.topic(topic)
        registry = registry_of(root, topology)
        self._codec = Codec(registry, declared.schema_)
        self._encoder = Encoder(registry, declared.schema_)
        self._private = PrivateFields.of(topology, topic, self._encoder.schema)
        self._protector = None if ring is None else Protector(self._private, ring)

    @property
    def opened(self) -> frozenset[str]:
        """Persons whose private values were decrypted so far."""
        return frozenset() if self._protector is None else frozenset(self._protector.opened)

    def of(self, messages: Sequence[Message]) -> Iterator[dict[str, Any]]:
        """Messages, at least one and all of one partition, with ``_partition`` and so on.

        See ``look.Tap.events``.
        """
        block = block_of(messages)
        frame = self._codec.decode(block)
        rows = [self._encoder.to_json(row) for row in frame.df.to_dicts()]
        if self._protector is not None:
            rows = self._protector.reveal(rows)
        else:
            rows = [self._private.hide(row) for row in rows]
        decoded = dict(zip(frame.df["_offset"].to_list(), rows, strict=True))
        bad = {int(block.offsets[b.index]): f"{b.step}: {b.reason}" for b in frame.bad}
        for i, offset in enumerate(block.offsets.tolist()):
            place = {
                "_partition": block.partition,
                "_offset": offset,
                "_timestamp": int(block.timestamps[i]),
            }
            if offset in decoded:
                yield {**place, **decoded[offset]}
            elif offset in bad:
                yield {**place, "_bad": bad[offset], "_bytes": len(block.values[i] or b"")}
            else:
                yield {**place, "_tombstone": True}
