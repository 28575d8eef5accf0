"""Tells a webhook what is in the topic of alerts: its queue is the topic, so detection never waits.

At least once and in order: how far it is told is a committed offset. While the receiver is away the
oldest event is tried again, ever more slowly; one that it refuses for good is passed over.
"""

from __future__ import annotations

import logging
import random
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaException, Message
from confluent_kafka import TopicPartition as KafkaTP

from headrace.errors import Terminal, Transient
from headrace.security.link import Link

log = logging.getLogger(__name__)

TIMEOUT_S: Final = 15.0
POLL_S: Final = 0.2
FIRST_PAUSE_S: Final = 0.5
LONGEST_PAUSE_S: Final = 60.0

Event = dict[str, Any]


class Webhook:
    """A thread of its own; ``start`` before the first alert of this process is sent."""

    def __init__(
        self,
        topic: str,
        group: str,
        bootstrap: str,
        decode: Callable[[list[Message]], list[Event]],
        post: Callable[[Mapping[str, Any]], None],
    ) -> None:
        self._place = (topic, 0)
        self._decode = decode
        self._post = post
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="webhook", daemon=True)
        self._consumer = Consumer(
            {
                **Link(bootstrap).settings(),
                "group.id": group,
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "log_level": 0,  # what matters is raised, or retried
            }
        )

    def start(self) -> None:
        """Go on behind what was told; the first time, with what comes from now on.

        Raises Transient when Kafka does not answer.
        """
        try:
            (held,) = self._consumer.committed([KafkaTP(*self._place)], TIMEOUT_S)
            offset = held.offset
            if offset < 0:
                _, offset = self._consumer.get_watermark_offsets(KafkaTP(*self._place), TIMEOUT_S)
                self._commit(offset)
            self._consumer.assign([KafkaTP(*self._place, offset)])
        except KafkaException as error:
            raise Transient(f"webhook: {error}") from error
        self._thread.start()

    def close(self) -> None:
        """Stop after the POST that is under way; what is not told yet is told next time."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()
        self._consumer.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            message = self._consumer.poll(POLL_S)
            if message is None or message.error() is not None:
                continue  # the client goes on by itself when the broker is back
            if all(self._told(event) for event in self._decode([message])):
                self._done(message.offset() + 1)

    def _told(self, event: Event) -> bool:
        """Try until the event is told or refused; False when told to stop before."""
        pause = FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                self._post(event)
                return True
            except Terminal as error:
                log.error("%s; alert %s is not told", error, event["event_id"])
                return True
            except Transient as error:
                log.warning("%s; trying again in %.1f s", error, pause)
            self._stop.wait(pause * random.uniform(0.8, 1.2))
            pause = min(2 * pause, LONGEST_PAUSE_S)
        return False

    def _done(self, offset: int) -> None:
        try:
            self._commit(offset)
        except KafkaException as error:  # then it may be told twice, which receivers can tell
            log.warning("webhook: offset %d is not committed: %s", offset, error)

    def _commit(self, offset: int) -> None:
        self._consumer.commit(offsets=[KafkaTP(*self._place, offset)], asynchronous=False)
