"""Turns tracing on, as the standard ``OTEL_*`` variables say, and exports what is left at the end.

Without them the SDK is not even imported: OpenTelemetry's API then makes spans that do nothing.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import trace

import headrace
from headrace.errors import ConfigError

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
EXPORTER = "OTEL_TRACES_EXPORTER"
DISABLED = "OTEL_SDK_DISABLED"
#: The only protocol; the variables' own name for it.
HTTP = "http/protobuf"


class _State:
    """Whether this process exports. The SDK's provider, too, is set once a process."""

    on = False


def active() -> bool:
    """Whether spans of this process go anywhere."""
    return _State.on


def wanted(environ: Mapping[str, str]) -> bool:
    """Whether the environment asks for traces.

    Raises ConfigError when it asks for an exporter or a protocol that there is none of here.
    """
    exporter = environ.get(EXPORTER, "")
    if exporter not in ("", "otlp", "none"):
        raise ConfigError(f"{EXPORTER} {exporter!r}: Headrace has 'otlp' and 'none'")
    if exporter == "none" or environ.get(DISABLED, "").lower() == "true":
        return False
    if exporter != "otlp" and not any(environ.get(name) for name in ENDPOINTS):
        return False
    for name in PROTOCOLS:
        if environ.get(name, HTTP) != HTTP:
            raise ConfigError(f"{name} {environ[name]!r}: Headrace speaks {HTTP!r} only")
    return True


@contextmanager
def exporting(service: str) -> Iterator[None]:
    """Export spans of this process while inside, if the environment asks for it.

    ``service`` is the name unless ``OTEL_SERVICE_NAME`` gives one. Spans wait in a bounded queue
    and are dropped when it is full or the collector is away: tracing holds nothing up. At the end
    what is queued is sent. Raises ConfigError, see ``wanted``.
    """
    if _State.on or not wanted(os.environ):
        yield
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import OTELResourceDetector, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    from headrace.telemetry.sampler import LinkedSampler

    ours = Resource.create(
        {
            "service.name": service,
            "service.version": headrace.__version__,
            "service.instance.id": f"{socket.gethostname()}:{os.getpid()}",
        }
    )
    provider = TracerProvider(resource=ours.merge(OTELResourceDetector().detect()))
    provider.sampler = LinkedSampler(provider.sampler)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    trace.set_tracer_provider(provider)
    _State.on = True
    try:
        yield
    finally:
        provider.shutdown()
