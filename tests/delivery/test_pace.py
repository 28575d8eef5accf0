"""Blocks wait longer when many partitions or slow sinks keep too many writes under way."""

from __future__ import annotations

import pytest

from headrace.block import TopicPartition
from headrace.delivery.pace import ACTIVE_S, LONGEST_S, Pace
from headrace.topology.model import Delivery

CONFIG = Delivery(min_delay_ms=20, max_delay_ms=2_000, concurrent_writes=2)


def partitions(n: int) -> list[TopicPartition]:
    return [TopicPartition("t", p) for p in range(n)]


def steady(pace: Pace, n: int, seconds: float) -> float:
    """The delay after a while of n partitions whose blocks take so long to write."""
    for tp in partitions(n):
        pace.offered(tp, 10.0)
    for _ in range(200):
        pace.written(seconds)
    return pace.delay_s(10.0)


def test_nothing_written_yet_waits_the_least():
    assert Pace(CONFIG).delay_s(0.0) == 0.02


def test_one_partition_with_quick_sinks_waits_the_least():
    assert steady(Pace(CONFIG), 1, 0.010) == 0.02


def test_littles_law():
    assert steady(Pace(CONFIG), 24, 0.050) == pytest.approx(24 * 0.050 / 2, rel=0.01)


def test_many_partitions_wait_a_second_and_more_and_never_past_the_most():
    assert steady(Pace(CONFIG), 64, 0.040) > 1.0
    assert steady(Pace(CONFIG), 256, 0.100) == 2.0


def test_a_block_that_waited_for_a_sink_counts_as_a_slow_one_at_most():
    pace = Pace(CONFIG)
    steady(pace, 1, 0.010)
    pace.written(600.0)
    assert pace.delay_s(10.0) <= LONGEST_S


def test_partitions_that_fell_quiet_or_were_taken_away_do_not_count():
    pace = Pace(CONFIG)
    steady(pace, 24, 0.050)
    pace.offered(TopicPartition("t", 0), 10.0 + ACTIVE_S)
    assert pace.delay_s(10.0 + ACTIVE_S) == pytest.approx(0.025, rel=0.01)
    pace = Pace(CONFIG)
    steady(pace, 24, 0.050)
    pace.keep(set(partitions(4)))
    assert pace.delay_s(10.0) == pytest.approx(0.1, rel=0.01)
