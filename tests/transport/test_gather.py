"""When fetches are gathered."""

from __future__ import annotations

from headrace.transport.gather import BUSY, EAGER, GATHERED, WINDOW_S, Gather


def test_records_that_keep_coming_are_gathered_and_a_quiet_partition_is_not():
    gather = Gather(0.0)
    assert gather.wait == EAGER
    assert gather.took(int(BUSY * WINDOW_S) - 1, WINDOW_S / 2) == EAGER  # the window is not over
    assert gather.took(1, WINDOW_S) == GATHERED
    assert gather.took(int(BUSY * WINDOW_S), 2 * WINDOW_S) == GATHERED
    assert gather.took(0, 3 * WINDOW_S) == EAGER


def test_a_late_look_counts_by_the_time_that_passed():
    gather = Gather(0.0)
    assert gather.took(int(BUSY * WINDOW_S), 10 * WINDOW_S) == EAGER
    assert gather.took(int(BUSY * WINDOW_S), 11 * WINDOW_S) == GATHERED
