"""Sends letters back and marks them, both or neither: Kafka transactions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from confluent_kafka import KafkaError, KafkaException, Producer

from headrace import headers as names
from headrace.block import Header
from headrace.delivery.crash import point
from headrace.dlq import letter as letters
from headrace.dlq.letter import Letter
from headrace.errors import Fenced, Terminal, Transient
from headrace.security.grants import transaction_of_redrive
from headrace.security.link import Link

TIMEOUT_S = 30.0
#: A transaction that its process did not end is ended by the coordinator after this time, or by
#: the next redrive of the topic. Until then readers of the partitions wait in front of it.
TRANSACTION_MS = 30_000
MAX_MESSAGE_BYTES = 32 << 20
_FENCED = {KafkaError._FENCED, KafkaError.PRODUCER_FENCED, KafkaError.INVALID_PRODUCER_EPOCH}
_REFUSED = {KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.INVALID_RECORD}


@dataclass(frozen=True, slots=True)
class Returned:
    """A letter with what is to be sent to its origin's partition."""

    letter: Letter
    key: bytes | None
    value: bytes
    headers: Sequence[Header]


class Sender:
    """The one redrive of a topic: as it begins, any other of that topic is fenced off.

    So what is read after ``start`` says for good which letters were sent: an earlier redrive's
    transaction was completed or aborted by then, and it can send nothing any more.
    """

    def __init__(self, bootstrap: str, pipeline: str, topic: str, letters_topic: str) -> None:
        self._topic = topic
        self._letters_topic = letters_topic
        self._producer = Producer(
            {
                **Link(bootstrap).settings(),
                "transactional.id": transaction_of_redrive(pipeline, topic),
                "transaction.timeout.ms": TRANSACTION_MS,
                "compression.type": "lz4",
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "log_level": 0,  # what matters is raised, or retried
            }
        )

    def start(self) -> None:
        """Fence off others; raises Transient when Kafka does not answer."""
        try:
            self._producer.init_transactions(TIMEOUT_S)
        except KafkaException as error:
            raise self._as_ours(error) from error
        point("redrive_fenced")

    def send(self, batch: Sequence[Returned]) -> None:
        """Send ``batch`` in its order and mark its letters, all in one transaction.

        Raises Fenced when another redrive of the topic has begun, Terminal when the broker refuses
        a record, Transient for the rest. Nothing of the batch was sent then, unless only the answer
        to the commit was lost; the marks tell, so the same redrive can be run again.
        """
        try:
            self._producer.begin_transaction()
            for returned in batch:
                self._produce(returned)
            self._producer.flush(TIMEOUT_S)
            point("redrive_sent")
            self._commit()
        except KafkaException as error:
            ours = self._as_ours(error)
            if not isinstance(ours, Fenced):
                self._abort()
            raise ours from error
        point("redrive_committed")

    def _produce(self, returned: Returned) -> None:
        # Without delivery callbacks: a commit fails if any record did, and the client would call
        # them with a fatal error (fenced) already raised, which Python does not bear.
        letter = returned.letter
        self._producer.produce(
            self._topic,
            returned.value,
            returned.key,
            partition=letter.origin.partition,
            headers=list(returned.headers),
        )
        # Where the copies are: a mark never leaves the log before the letter that it marks.
        for partition in sorted({place.partition for place in letter.places}):
            self._producer.produce(
                self._letters_topic,
                None,
                returned.key,
                partition=partition,
                headers=[letters.mark(letter)],
            )

    def _commit(self) -> None:
        try:
            self._producer.commit_transaction(TIMEOUT_S)
        except KafkaException as error:
            if not error.args[0].retriable():
                raise
            self._producer.commit_transaction(TIMEOUT_S)

    def _abort(self) -> None:
        try:
            self._producer.abort_transaction(TIMEOUT_S)
        except KafkaException as error:
            raise self._as_ours(error) from error

    def _as_ours(self, error: KafkaException) -> Fenced | Terminal | Transient:
        cause: KafkaError = error.args[0]
        if cause.code() in _FENCED:
            return Fenced(f"another redrive of {self._topic!r} has begun; this one sends no more")
        if cause.code() in _REFUSED:
            return Terminal(f"the broker refused a record for {self._topic!r}: {cause.str()}")
        return Transient(
            f"{self._topic!r}: {cause.str()}; what was sent is marked: run the same redrive again"
        )


def headers_back(letter: Letter, headers: Sequence[Header]) -> list[Header]:
    """The record's own headers, and those that say that it was sent back."""
    return [
        *names.own(headers),
        (names.REDRIVEN, str(letter.place).encode()),
        (names.ATTEMPTS, str(letter.attempts).encode()),
    ]
