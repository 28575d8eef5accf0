"""Blocks that are not full take turns, and a turn rests as long as it took."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.clock import ManualClock
from headrace.delivery.pace import STUCK_S, Pace
from headrace.topology.model import Delivery


def paced(turns: int) -> tuple[Pace, ManualClock]:
    clock = ManualClock()
    return Pace(Delivery(turns=turns), clock), clock


def test_there_are_as_many_turns_as_declared():
    pace, _ = paced(2)
    assert pace.take() is not None
    assert pace.take() is not None
    assert pace.take() is None
    assert pace.free_at() == STUCK_S


def test_a_turn_rests_as_long_as_it_took():
    pace, clock = paced(1)
    clock.advance(5)
    turn = pace.take()
    assert turn is not None
    clock.advance(0.3)
    turn.end()
    assert pace.free_at() == pytest.approx(5.6)
    assert pace.take() is None
    clock.advance(0.3)
    assert pace.take() is not None


def test_a_turn_that_waits_for_a_sink_passes_on_and_is_not_given_back_twice():
    pace, clock = paced(1)
    stuck = pace.take()
    assert stuck is not None
    clock.advance(STUCK_S)
    next_one = pace.take()
    assert next_one is not None
    assert pace.take() is None
    stuck.end()
    assert pace.take() is None
    next_one.end()
    assert pace.take() is not None
    assert pace.take() is None


def test_a_turn_ends_once():
    pace, clock = paced(1)
    turn = pace.take()
    assert turn is not None
    turn.end()
    turn.end()
    clock.advance(1)
    assert pace.take() is not None
    assert pace.take() is None


@given(st.integers(1, 64), st.integers(1, 8), st.integers(1, 200))
def test_littles_law(partitions: int, turns: int, milliseconds: int):
    """n partitions whose blocks take S are each written every n * 2S / k seconds; or S, if more."""
    pace, clock = paced(turns)
    writing: list[tuple[float, object]] = []
    written, laps = 0, 20
    while written < laps * partitions:
        while len(writing) < partitions and (turn := pace.take()) is not None:
            writing.append((clock.monotonic() + milliseconds / 1000, turn))
        for due, turn in [entry for entry in writing if entry[0] <= clock.monotonic() + 1e-9]:
            turn.end()
            writing.remove((due, turn))
            written += 1
        clock.advance(0.001)
    expected = max(2 * partitions / turns, 1) * milliseconds / 1000
    each = clock.monotonic() / laps
    assert each == pytest.approx(expected, rel=0.3, abs=0.01)
