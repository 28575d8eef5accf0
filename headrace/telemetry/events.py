"""An event's span: begun by its producer, carried by the record as W3C ``traceparent``."""

from __future__ import annotations

import re
from itertools import islice
from typing import Final

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import (
    INVALID_SPAN,
    Link,
    NonRecordingSpan,
    Span,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
)

from headrace.block import Block, Header
from headrace.telemetry import messaging
from headrace.telemetry.provider import active

TRACEPARENT: Final = "traceparent"
#: Links of a block's span, and records with headers that are looked at to find so many.
MOST_LINKS, MOST_LOOKED_AT = 128, 4_096

#: Versions after 00 may append to it; ff is none. https://www.w3.org/TR/trace-context/
LENGTH: Final = 55
_FORM = re.compile(rb"(?!ff)[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(?:-.*)?")

_tracer = trace.get_tracer(__name__)


class Sending:
    """The PRODUCER span of one event, from its being handed to the client to the broker's answer.

    Costs next to nothing where nobody exports or the event is not sampled. No value or key of the
    event is in it.
    """

    def __init__(self, topic: str, within: Context | None = None) -> None:
        """``within``: whose span it is a child of, see ``within``; else it begins a trace."""
        self._span: Span = INVALID_SPAN
        if within is None and not active():
            return  # even the span of a tracer that does nothing costs a tenth of a send
        self._span = _tracer.start_span(
            f"send {topic}",
            within,
            kind=SpanKind.PRODUCER,
            attributes=messaging.operation("send", topic),
        )

    def headers(self) -> list[Header]:
        """What the record must carry: ``traceparent`` if the event is sampled."""
        context = self._span.get_span_context()
        if not context.trace_flags.sampled:
            return []
        return [(TRACEPARENT, traceparent(context))]

    def stored(self, partition: int, offset: int) -> None:
        """The broker has it, here."""
        self._span.set_attributes(
            {messaging.PARTITION: str(partition), messaging.OFFSET: offset},
        )
        self._span.end()

    def refused(self, kind: str) -> None:
        """The broker or the client did not take it; ``kind`` is the name of the error."""
        self._span.set_status(StatusCode.ERROR, kind)
        self._span.end()


def within(parent: bytes) -> Context | None:
    """Inside of the span that a ``traceparent`` says; None if it says none."""
    said = parse(parent)
    return None if said is None else trace.set_span_in_context(NonRecordingSpan(said), Context())


def traceparent(context: SpanContext) -> bytes:
    """A span's context as the header says it."""
    return b"00-%032x-%016x-%02x" % (context.trace_id, context.span_id, context.trace_flags)


def parse(value: bytes) -> SpanContext | None:
    """The context that a header's value says; None if it says none."""
    form = _FORM.fullmatch(value)
    if form is None or (value.startswith(b"00") and len(value) != LENGTH):
        return None
    context = SpanContext(int(form[1], 16), int(form[2], 16), True, TraceFlags(int(form[3], 16)))
    return context if context.is_valid else None


def links(block: Block) -> list[Link]:
    """Links to the sampled spans of a block's events: the first ``MOST_LINKS``."""
    found: list[Link] = []
    for headers in islice(block.headers.values(), MOST_LOOKED_AT):
        for name, value in headers:
            if name == TRACEPARENT:
                context = parse(value or b"")
                if context is not None and context.trace_flags.sampled:
                    found.append(Link(context))
                    if len(found) == MOST_LINKS:
                        return found
    return found
