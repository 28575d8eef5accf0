"""The audit topic: the chain's one copy that counts."""

from __future__ import annotations

import random
import threading
import time
from contextlib import closing
from dataclasses import dataclass, field

from confluent_kafka import KafkaError, KafkaException, Producer

from headrace.audit import chain
from headrace.audit.chain import Record
from headrace.audit.entry import Entry, Facts
from headrace.audit.key import FILE_VARIABLE, VARIABLE
from headrace.audit.reader import Reader
from headrace.clock import Clock, SystemClock
from headrace.errors import ConfigError, Terminal, Transient
from headrace.security.link import Link
from headrace.topics import Topics, audit_topic
from headrace.topology.model import Topology

TIMEOUT_S = 15.0
#: How long a writer tries; others that record at the same time make it begin again.
PATIENCE_S = 60.0
PAUSE_S = (0.02, 0.3)
TRANSACTION_MS = 10_000
#: Errors that no further try mends.
FORBIDDEN = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED,
    KafkaError.GROUP_AUTHORIZATION_FAILED,
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    KafkaError.MSG_SIZE_TOO_LARGE,
}


class AuditLog:
    """Appends to the topic and reads it.

    Writers of all processes share a ``transactional.id``: one that begins fences those before it,
    whose uncommitted entry is dropped and who then begin again behind the entry that won. So two
    entries never continue the same one.
    """

    def __init__(
        self,
        topology: Topology,
        bootstrap: str,
        key: bytes | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._topic = audit_topic(topology)
        self._bootstrap = bootstrap
        self._key = key
        self._clock = clock or SystemClock()

    @property
    def topic(self) -> str:
        """The topic's name."""
        return self._topic.name

    def ensure(self) -> None:
        """Create the topic if there is none; raises Terminal when there is a wrong one."""
        topics = Topics(self._bootstrap)
        found = topics.partitions().get(self.topic)
        if found is None:
            topics.create([self._topic])
        elif found != 1:
            raise Terminal(
                f"topic {self.topic!r} has {found} partitions, so its entries have no order: it "
                f"was not made by Headrace; look into it, then delete it or rename the pipeline"
            )

    def records(self) -> list[Record]:
        """The whole topic; empty when it does not exist."""
        if self.topic not in Topics(self._bootstrap).partitions():
            return []
        with closing(Reader(self._bootstrap, self.topic)) as reader:
            try:
                return reader.records()
            except KafkaException as error:
                raise Transient(f"can't read topic {self.topic!r}: {error}") from error

    def append(self, facts: Facts) -> Entry:
        """Write the next entry; return it when it is committed and all replicas have it.

        Raises ConfigError when the chain is signed and there is no key, Terminal when the broker
        forbids it, Transient when it did not succeed within a minute: the entry may be there then.
        """
        self.ensure()
        attempts = _Attempts()
        pause, until = threading.Event(), time.monotonic() + PATIENCE_S
        with closing(Reader(self._bootstrap, self.topic)) as reader:
            while True:
                try:
                    return self._append(facts, reader, attempts)
                except KafkaException as error:
                    problem = f"can't record in topic {self.topic!r}: {error}"
                    if error.args[0].code() in FORBIDDEN:
                        raise Terminal(problem) from error
                    if time.monotonic() > until:
                        raise Transient(problem) from error
                pause.wait(random.uniform(*PAUSE_S))

    def _append(self, facts: Facts, reader: Reader, attempts: _Attempts) -> Entry:
        producer = Producer(
            {
                **Link(self._bootstrap).settings(),
                "transactional.id": self.topic,
                "transaction.timeout.ms": TRANSACTION_MS,
                "linger.ms": 0,
                "log_level": 0,  # being fenced is what happens to one of two
            }
        )
        # From here on nobody else's transaction is open, and none that began before can commit.
        producer.init_transactions(TIMEOUT_S)
        if attempts.hashes:
            for record in reader.records(attempts.start):
                if record.entry is not None and record.entry.hash in attempts.hashes:
                    return record.entry  # its commit's answer was lost
        else:
            _, attempts.start = reader.span()
        last = reader.last()
        if last is not None and last.signature and self._key is None:
            raise ConfigError(
                f"the entries of {self.topic!r} are signed: set {VARIABLE} or {FILE_VARIABLE}"
            )
        entry = chain.following(last, facts, self._clock.now_ms(), self._key)
        attempts.hashes.add(entry.hash)
        producer.begin_transaction()
        producer.produce(self.topic, entry.encode(), partition=0)
        producer.commit_transaction(TIMEOUT_S)
        return entry


@dataclass
class _Attempts:
    """What was sent without an answer, and the offset behind which it would be."""

    start: int = 0
    hashes: set[str] = field(default_factory=set)
