"""W3C's header of a span's context, and the links that a block finds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.trace import SpanContext, TraceFlags

from headrace.block import Block
from headrace.telemetry.events import MOST_LINKS, TRACEPARENT, links, parse, traceparent

SAMPLED = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
UNSAMPLED = SAMPLED[:-1] + b"0"


@given(st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.sampled_from([0, 1]))
def test_what_is_written_is_read(trace_id, span_id, flags):
    context = SpanContext(trace_id, span_id, True, TraceFlags(flags))
    assert parse(traceparent(context)) == context


@pytest.mark.parametrize(
    "value",
    [
        b"", b"00", SAMPLED[:-1], b"ff" + SAMPLED[2:], SAMPLED.upper(), SAMPLED + b"0",
        b"00-" + b"0" * 32 + SAMPLED[35:], SAMPLED[:36] + b"0" * 16 + b"-01", b"\xff" * 55,
        SAMPLED + b"\n", SAMPLED + b"-more",
    ],
)  # fmt: skip
def test_anything_else_says_nothing(value):
    assert parse(value) is None


def test_later_versions_may_say_more():
    assert parse(b"01" + SAMPLED[2:] + b"-more") == parse(SAMPLED)


@given(st.binary(max_size=80))
def test_no_bytes_stop_a_worker(value):
    parse(value)


def block(headers):
    n = len(headers)
    offsets = np.arange(n, dtype=np.int64)
    carried = {i: tuple(h) for i, h in enumerate(headers) if h}
    return Block("t", 0, 0, max(n, 1) - 1, [b"x"] * n, offsets, offsets, [None] * n, carried)


def test_a_block_links_to_sampled_events_only_and_to_so_many():
    ours = (TRACEPARENT, SAMPLED)
    mixed = [[], [ours], [(TRACEPARENT, UNSAMPLED)], [("other", b"1"), ours], [(TRACEPARENT, b"")]]
    assert [link.context for link in links(block(mixed))] == [parse(SAMPLED)] * 2
    assert links(block([[], []])) == []
    assert len(links(block([[ours]] * (MOST_LINKS + 5)))) == MOST_LINKS
