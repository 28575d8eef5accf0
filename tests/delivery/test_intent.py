"""Positions survive the trip through Kafka's commit metadata; foreign metadata says nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from headrace.delivery.intent import Position, Reached

OFFSETS = st.integers(0, 2**62)
NAMES = st.from_regex(r"[a-z][a-z0-9_.]{0,30}", fullmatch=True)
HELD = OFFSETS | st.just(-1)
REACHED = st.builds(Reached, HELD, st.none() | OFFSETS) | st.builds(Reached, HELD, OFFSETS, OFFSETS)
MARKS = st.dictionaries(NAMES, REACHED)


@given(OFFSETS, st.none() | st.integers(0, 2**20), MARKS)
def test_round_trip(offset, length, marks):
    position = Position(offset, None if length is None else offset + length, marks)
    assert Position.parse(offset, position.metadata()) == position


@given(st.integers(0, 100), st.text(max_size=40))
def test_other_metadata_says_nothing(offset, text):
    parsed = Position.parse(offset, text)
    assert parsed == Position(offset) or text == parsed.metadata()


def test_an_intent_that_ends_before_its_offset_is_none():
    assert Position.parse(10, "headrace1 last=9") == Position(10)
    assert Position.parse(10, "headrace1 last=10") == Position(10, 10)


def test_a_mark_that_cannot_be_read_discards_all():
    assert Position.parse(10, "headrace1 last=12 marks=redis:9,oops") == Position(10)
