"""A library's flood of one message becomes a line every ten seconds."""

from __future__ import annotations

import logging

from headrace.clock import ManualClock
from headrace.repeats import EVERY_S, MOST, Repeats


def record(name: str, text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, logging.ERROR, "file", 1, text, args, None)


def test_a_message_comes_once_in_ten_seconds_with_how_often_it_came():
    clock = ManualClock()
    repeats = Repeats(("aiokafka",), clock)
    assert repeats.filter(record("aiokafka.consumer", "no node %s", 1))
    for _ in range(700):
        assert not repeats.filter(record("aiokafka", "no node %s", 1))
    assert repeats.filter(record("aiokafka", "no node %s", 2))
    clock.advance(EVERY_S)
    again = record("aiokafka", "no node %s", 1)
    assert repeats.filter(again)
    assert again.getMessage() == "no node 1 (and 700 times before)"


def test_others_are_left_alone():
    repeats = Repeats(("aiokafka",), ManualClock())
    assert all(repeats.filter(record("headrace.delivery", "same")) for _ in range(3))


def test_memory_is_bounded():
    repeats = Repeats(("aiokafka",), ManualClock())
    for i in range(3 * MOST):
        assert repeats.filter(record("aiokafka", "message %d", i))
    assert len(repeats._said) <= MOST
