"""Which spans are recorded."""

from __future__ import annotations

from collections.abc import Sequence

from opentelemetry.context import Context
from opentelemetry.sdk.trace.sampling import Decision, Sampler, SamplingResult
from opentelemetry.trace import Link, SpanKind, TraceState, get_current_span
from opentelemetry.util.types import Attributes


class LinkedSampler(Sampler):
    """Records what links to a sampled span, and its children; ``OTEL_TRACES_SAMPLER`` decides else.

    With a ratio of 1 % at producers and workers each, 99 of 100 sampled events would otherwise end
    at their producer.
    """

    def __init__(self, otherwise: Sampler) -> None:
        self._otherwise = otherwise

    def should_sample(
        self,
        parent_context: Context | None,
        trace_id: int,
        name: str,
        kind: SpanKind | None = None,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        trace_state: TraceState | None = None,
    ) -> SamplingResult:
        """See ``Sampler``."""
        parent = get_current_span(parent_context).get_span_context()
        linked = any(link.context.trace_flags.sampled for link in links or ())
        if linked or (parent.is_valid and not parent.is_remote and parent.trace_flags.sampled):
            return SamplingResult(Decision.RECORD_AND_SAMPLE, attributes)
        return self._otherwise.should_sample(
            parent_context, trace_id, name, kind, attributes, links, trace_state
        )

    def get_description(self) -> str:
        """See ``Sampler``."""
        return f"LinkedSampler{{{self._otherwise.get_description()}}}"
