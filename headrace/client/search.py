"""Reads whole topics for what of a person's private data can still be read."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaTP

from headrace.client.blocks import block_of
from headrace.errors import Transient
from headrace.frame import Frame
from headrace.private.erasure import Found
from headrace.private.fields import PrivateFields
from headrace.private.protect import UNREADABLE, Protector
from headrace.private.ring import KeyRing
from headrace.schema import Codec, Encoder
from headrace.schemas import registry_of
from headrace.security import grants
from headrace.security.link import Link
from headrace.topology.model import Topology

BATCH = 50_000
POLL_S = 1.0
PATIENCE_S = 30.0


class LogSearch:
    """Searches the topics of persons that have encrypted fields, and their dead letters."""

    def __init__(self, root: Path, topology: Topology, bootstrap: str) -> None:
        self._topology = topology
        self._registry = registry_of(root, topology)
        self._bootstrap = bootstrap

    def find(self, person: str, ring: KeyRing) -> Iterator[Found]:
        """One finding a topic: the records read and the person's values that are readable.

        Readable is what the ring opens, and what was never encrypted. Raises Transient.
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
        consumer = Consumer(
            {
                **Link(self._bootstrap).settings(),
                "group.id": grants.SEARCH_GROUP,  # never joined: partitions are assigned by hand
                "enable.auto.commit": False,
                "enable.partition.eof": True,
                "log_level": 3,  # errors only: the rest is raised, or retried
            }
        )
        try:
            found = consumer.list_topics(topic, timeout=PATIENCE_S).topics[topic]
            for partition in sorted(found.partitions):
                consumer.assign([KafkaTP(topic, partition, 0)])
                yield from self._partition(consumer, codec)
        except KafkaException as error:
            raise Transient(f"can't search {topic!r}: {error}") from error
        finally:
            consumer.close()

    @staticmethod
    def _partition(consumer: Consumer, codec: Codec) -> Iterator[Frame]:
        ended = False
        while not ended:
            messages = []
            for message in consumer.consume(BATCH, POLL_S):
                error = message.error()
                if error is None:
                    messages.append(message)
                elif error.code() == KafkaError._PARTITION_EOF:
                    ended = True
                else:
                    raise KafkaException(error)
            if messages:
                yield codec.decode(block_of(messages))
