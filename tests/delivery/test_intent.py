"""Positions survive the trip through Kafka's commit metadata; foreign metadata is no intent."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.delivery.intent import Position


@given(st.integers(0, 2**62), st.none() | st.integers(0, 2**20))
def test_round_trip(offset, length):
    position = Position(offset, None if length is None else offset + length)
    assert Position.parse(offset, position.metadata()) == position
    assert len(position.metadata()) < 4096


@given(st.integers(0, 100), st.text(max_size=40))
def test_other_metadata_is_no_intent(offset, text):
    parsed = Position.parse(offset, text)
    assert parsed.offset == offset
    assert parsed.last is None or text == Position(offset, parsed.last).metadata()


def test_an_intent_that_ends_before_its_offset_is_none():
    assert Position.parse(10, "headrace1 last=9") == Position(10)
    assert Position.parse(10, "headrace1 last=10") == Position(10, 10)
