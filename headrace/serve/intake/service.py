"""Events from a request to Kafka, and what became of them."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cached_property

from opentelemetry.context import Context as Trace

from headrace.client.events import Events, NotAnEvent, Ready, object_of
from headrace.client.translation import Translation
from headrace.errors import ConfigError
from headrace.private.opening import key_ring
from headrace.private.ring import KeyRing
from headrace.security.redis import connect
from headrace.serve.context import Context
from headrace.serve.intake import body as bodies
from headrace.serve.intake.batch import Batch
from headrace.serve.intake.body import Form
from headrace.serve.intake.idempotency import Answers
from headrace.serve.intake.report import Answer, answer
from headrace.serve.intake.room import Hold
from headrace.serve.intake.sender import Sender
from headrace.serve.problems import Problem
from headrace.topology.intake import Intake as Declared

log = logging.getLogger(__name__)

#: Parsing and encoding hold Python's lock: more threads would not be quicker, and their number
#: bounds how many bodies are held as Python objects.
THREADS = 2


class Intake:
    """Takes events for the declared topics. What is heavy runs beside the event loop."""

    def __init__(self, context: Context) -> None:
        """Nothing is connected to until it is needed."""
        self._context = context
        self._executor = ThreadPoolExecutor(THREADS, thread_name_prefix="intake")
        self._topics: dict[str, Events] = {}
        self._lock = threading.Lock()

    @cached_property
    def answers(self) -> Answers:
        """What was answered under an Idempotency-Key; raises Problem without a Redis."""
        with _configured("an Idempotency-Key"):
            client = connect(self._context.endpoints.redis)
            return Answers(client, self._context.topology.redis.prefix)

    async def close(self) -> None:
        """Disconnect. Whoever still waits for an acknowledgement is not answered."""
        self._executor.shutdown(wait=False, cancel_futures=True)
        if "answers" in self.__dict__:
            await self.answers.close()

    async def take(
        self,
        topic: str,
        body: bytes,
        form: Form,
        within: Trace | None,
        hold: Hold,
        declared: Declared | None = None,
    ) -> Answer:
        """Send the body's events and wait until the broker has acknowledged them.

        Their spans are children of what they are ``within``. ``declared`` says how to make events
        of what another program sends. Raises Problem, as
        ``body.events`` and ``report.answer`` do; Transient when Kafka or the key ring does not
        answer, before anything was sent.
        """
        loop, batch = asyncio.get_running_loop(), Batch()
        numbers, records = await loop.run_in_executor(
            self._executor, self._ready, topic, body, form, declared
        )
        hold.add(records=len(numbers))
        wrong = {n: r for n, r in zip(numbers, records, strict=True) if isinstance(r, NotAnEvent)}
        good = [(n, r) for n, r in zip(numbers, records, strict=True) if isinstance(r, Ready)]
        await loop.run_in_executor(self._executor, self._sender.send, topic, good, within, batch)
        fates = await batch.fates()
        return await loop.run_in_executor(self._executor, answer, numbers, wrong, fates)

    def _ready(
        self, topic: str, body: bytes, form: Form, declared: Declared | None
    ) -> tuple[list[int], list[Ready | NotAnEvent]]:
        events = self._events(topic)
        reading = object_of
        if declared is not None:
            reading = Translation(declared.sources, events.schema.type).event
        given = bodies.events(body, form, reading)
        return [n for n, _ in given], list(events.ready([event for _, event in given]))

    def _events(self, topic: str) -> Events:
        """The topic's checks, once it is known that it exists."""
        with self._lock:
            if topic not in self._topics:
                with _configured(f"events of {topic!r}"):
                    self._sender.check(topic)
                    context = self._context
                    found = Events(context.root, context.topology, topic, self._ring)
                self._topics[topic] = found
            return self._topics[topic]

    @cached_property
    def _sender(self) -> Sender:
        return Sender(self._context.endpoints.kafka)

    def _ring(self) -> KeyRing:
        context = self._context
        if context.key_store is None:
            raise ConfigError("this process was made without a key store")
        store = context.key_store(context.topology, context.endpoints)
        return key_ring(context.root, context.topology, store)


@contextmanager
def _configured(what: str) -> Iterator[None]:
    """What is wrong with the server's own configuration is told to its log, not to its clients."""
    try:
        yield
    except ConfigError as error:
        log.error("%s can't be taken: %s", what, error)
        raise Problem(
            503, "not-ready", f"{what} can't be taken yet: the server's log says why"
        ) from None
