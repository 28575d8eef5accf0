"""Reads whole topics for what of a person's private data can still be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl

from headrace.client.blocks import block_of
from headrace.client.ranges import RangeReader
from headrace.frame import Frame
from headrace.private.erasure import Found
from headrace.private.fields import PrivateFields
from headrace.private.protect import UNREADABLE, Protector
from headrace.private.ring import KeyRing
from headrace.schema import Codec, Encoder
from headrace.schemas import registry_of
from headrace.security import grants
from headrace.topology.model import Topology


class LogSearch:
    """Searches the topics of persons that have encrypted fields, and their dead letters."""

    def __init__(self, root: Path, topology: Topology, bootstrap: str) -> None:
        self._topology = topology
        self._registry = registry_of(root, topology)
        self._bootstrap = bootstrap

    def find(self, person: str, ring: KeyRing) -> Iterator[Found]:
        """One finding a topic: the records read and the person's values that are readable.

        Readable is what the ring opens, and what was never encrypted. Raises ConfigError,
        Transient.
        """
        for topic in self._topology.of_persons():
            schema = self._topology.topics[topic].schema_
            encoder = Encoder(self._registry, schema)
            fields = PrivateFields.of(self._topology, topic, encoder.schema).encrypted
            if not fields.fields:
                continue
            columns = [str(fields.person), *fields.names]
            codec = Codec(self._registry, schema, columns)
            protector = Protector(fields, ring)
            for name in (topic, topic + self._topology.dead_letters.suffix):
                searched = left = 0
                for frame in self._frames(name, codec):
                    searched += len(frame.block)
                    own = frame.df.filter(pl.col(str(fields.person)) == person)
                    rows = [encoder.to_json(row) for row in own.to_dicts()]
                    for row in protector.reveal(rows):
                        left += sum(
                            row[f.name] not in (None, "", UNREADABLE, f.hidden)
                            for f in fields.fields
                        )
                yield Found(f"kafka {name}", searched, left, "readable private values")

    def _frames(self, topic: str, codec: Codec) -> Iterator[Frame]:
        """The topic's records from its beginning to where it ends now, decoded."""
        with RangeReader(self._bootstrap, topic, grants.SEARCH_GROUP) as reader:
            for partition, whole in reader.all().items():
                for messages in reader.batches({partition: whole}):
                    yield codec.decode(block_of(messages))
