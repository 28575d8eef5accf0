"""Traces over OpenTelemetry: the span of an event's producer, of its block, and what links them.

Off unless the standard ``OTEL_*`` variables name an exporter (docs/tracing.md).
"""
