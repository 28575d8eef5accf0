"""Events from a request to Kafka, and what became of them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from headrace.block import Header
from headrace.client.events import Events, NotAnEvent, Ready
from headrace.errors import ConfigError
from headrace.private.opening import key_ring
from headrace.private.ring import KeyRing
from headrace.serve.context import Context
from headrace.serve.intake import body as bodies
from headrace.serve.intake.batch import Batch
from headrace.serve.intake.body import Form, Reading
from headrace.serve.intake.report import Answer, answer
from headrace.serve.intake.room import Hold
from headrace.serve.intake.sender import Sender
from headrace.serve.problems import Problem

log = logging.getLogger(__name__)

#: Parsing and encoding hold Python's lock: more threads would not be quicker, and their number
#: bounds how many bodies are held as Python objects.
THREADS = 2


class Intake:
    """Takes events for the declared topics. What is heavy runs beside the event loop."""

    def __init__(self, context: Context) -> None:
        """Nothing is connected yet; raises ConfigError when a service has no address."""
        self._context = context
        self._sender = Sender(context.endpoints.kafka)
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="intake")
        self._topics: dict[str, Events] = {}
        self._lock = threading.Lock()

    async def take(
        self,
        topic: str,
        body: bytes,
        form: Form,
        reading: Reading,
        headers: Sequence[Header],
        hold: Hold,
    ) -> Answer:
        """Send the body's events and wait until the broker has acknowledged them.

        Raises Problem, of ``body.events`` and ``report.answer``; Transient when Kafka or the key
        ring does not answer, before anything was sent.
        """
        loop, batch = asyncio.get_running_loop(), Batch()
        numbers, records = await loop.run_in_executor(
            self._executor, self._ready, topic, body, form, reading
        )
        hold.add(records=len(numbers))
        wrong = {n: r for n, r in zip(numbers, records, strict=True) if isinstance(r, NotAnEvent)}
        good = [(n, r) for n, r in zip(numbers, records, strict=True) if isinstance(r, Ready)]
        await loop.run_in_executor(
            self._executor, self._sender.send, topic, good, headers, batch
        )
        fates = await batch.fates()
        return await loop.run_in_executor(self._executor, answer, numbers, wrong, fates)

    def _ready(
        self, topic: str, body: bytes, form: Form, reading: Reading
    ) -> tuple[list[int], list[Ready | NotAnEvent]]:
        events = self._events(topic)
        given = bodies.events(body, form, reading)
        return [n for n, _ in given], list(events.ready([event for _, event in given]))

    def _events(self, topic: str) -> Events:
        """The topic's checks, once it is known that it exists."""
        with self._lock:
            found = self._topics.get(topic)
            if found is None:
                try:
                    self._sender.check(topic)
                    found = Events(self._context.root, self._context.topology, topic, self._ring)
                except ConfigError as error:
                    log.error("no events of %s can be taken: %s", topic, error)
                    raise Problem(
                        503,
                        "not-ready",
                        f"events of {topic!r} can't be taken yet: the server's log says why",
                    ) from None
                self._topics[topic] = found
            return found

    def _ring(self) -> KeyRing:
        context = self._context
        return key_ring(context.root, context.topology, context.key_store())
