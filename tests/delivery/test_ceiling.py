"""The dead-letter ceiling stops the pipeline when too large a share is set aside."""

from __future__ import annotations

import pytest

from headrace.delivery.ceiling import Ceiling
from headrace.errors import Terminal
from headrace.topology.model import DeadLetters


def test_a_few_bad_records_pass_and_too_many_stop():
    ceiling = Ceiling(DeadLetters(max_ratio=0.1, window_records=1000, min_records=100))
    for _ in range(50):
        ceiling.check("b", 100, 10)
    with pytest.raises(Terminal, match=r"max_ratio is 10\.0%"):
        ceiling.check("b", 100, 20)


def test_nothing_is_decided_before_min_records():
    ceiling = Ceiling(DeadLetters(max_ratio=0.1, window_records=1000, min_records=100))
    ceiling.check("b", 99, 99)
    with pytest.raises(Terminal):
        ceiling.check("b", 1, 0)


def test_old_blocks_leave_the_window():
    ceiling = Ceiling(DeadLetters(max_ratio=0.5, window_records=100, min_records=10))
    ceiling.check("b", 5, 5)
    for _ in range(10):
        ceiling.check("b", 50, 0)
    ceiling.check("b", 50, 50)  # half of the window, not above it
