"""A block's span, from being cut to being committed, with a child for each step."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import INVALID_SPAN, Span, SpanKind, StatusCode

from headrace.block import Block
from headrace.telemetry import events, messaging, provider

_tracer = trace.get_tracer(__name__)


class BlockTrace:
    """The CONSUMER span of a block. It links to its events' spans, which are of other traces.

    A block that is repeated after a crash has a span of its own each time, with the same links.
    Errors are in spans by the name of their type: texts may quote values.
    """

    def __init__(self, block: Block, group: str) -> None:
        self._span: Span = INVALID_SPAN
        if provider.active():
            self._span = _tracer.start_span(
                f"process {block.topic}",
                context=Context(),
                kind=SpanKind.CONSUMER,
                links=events.links(block),
                attributes={
                    **messaging.operation("process", block.topic),
                    messaging.PARTITION: str(block.partition),
                    messaging.GROUP: group,
                    messaging.COUNT: len(block),
                    messaging.FIRST: block.first,
                    messaging.LAST: block.last,
                },
            )
        self._context = trace.set_span_in_context(self._span, Context())

    def current(self) -> AbstractContextManager[Any]:
        """Make it the span that log lines are about."""
        if not self._span.is_recording():
            return nullcontext()
        return trace.use_span(self._span, record_exception=False, set_status_on_exception=False)

    def step(self, name: str) -> AbstractContextManager[Any]:
        """A child for as long as this is entered."""
        return self._step(name) if self._span.is_recording() else nullcontext()

    def write(self, sink: str, store: str) -> AbstractContextManager[Any]:
        """The child of a sink's writing; ``store`` is what kind of store it is."""
        if not self._span.is_recording():
            return nullcontext()
        return self._step(f"write {sink}", SpanKind.CLIENT, {messaging.DATABASE: store})

    @contextmanager
    def _step(
        self,
        name: str,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Mapping[str, str] | None = None,
    ) -> Iterator[Span]:
        with _tracer.start_as_current_span(
            name, self._context, kind, attributes,
            record_exception=False, set_status_on_exception=False,
        ) as span:  # fmt: skip
            try:
                yield span
            except Exception as error:
                span.set_status(StatusCode.ERROR, type(error).__name__)
                raise

    def until(self, name: str, future: asyncio.Future[Any]) -> None:
        """A child from now until a future is done."""
        if not self._span.is_recording():
            return
        span = _tracer.start_span(name, self._context)

        def done(future: asyncio.Future[Any]) -> None:
            if not future.cancelled() and (error := future.exception()) is not None:
                span.set_status(StatusCode.ERROR, type(error).__name__)
            span.end()

        future.add_done_callback(done)

    def outcome(self, events: int, duplicates: int, dead_letters: int) -> None:
        """Say what became of the records."""
        self._span.set_attributes(
            {
                messaging.EVENTS: events,
                messaging.DUPLICATES: duplicates,
                messaging.DEAD_LETTERS: dead_letters,
            }
        )

    def failed(self, error: BaseException) -> None:
        """It was not delivered, for this reason."""
        if self._span.is_recording():
            self._span.set_status(StatusCode.ERROR, type(error).__name__)

    def end(self) -> None:
        """It is delivered, or dropped; may be said again."""
        if self._span.is_recording():
            self._span.end()
