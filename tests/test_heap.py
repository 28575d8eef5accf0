"""The worker's heap: given back when it has grown, and every now and then."""

import ctypes

import pytest

from headrace import heap
from headrace.clock import ManualClock
from headrace.heap import GROWN, LONG_S, Heap, resident

MIB = 1 << 20


@pytest.fixture
def held(monkeypatch):
    """What the process holds, to be set by a test; what it is told when it has been tidied."""
    sizes = {"now": 100 * MIB}
    monkeypatch.setattr(heap, "resident", lambda: sizes["now"])
    monkeypatch.setattr(heap.gc, "freeze", lambda: None)
    return sizes


def test_the_first_look_tidies(held):
    assert Heap(ManualClock()).look()


def test_it_waits_until_the_process_has_grown(held):
    watched = Heap(ManualClock())
    watched.look()
    held["now"] = int(100 * MIB * GROWN) - MIB
    assert not watched.look()
    held["now"] = int(100 * MIB * GROWN) + MIB
    assert watched.look()
    assert not watched.look()


def test_it_does_not_wait_for_ever(held):
    clock = ManualClock()
    watched = Heap(clock)
    watched.look()
    clock.advance(LONG_S - 1)
    assert not watched.look()
    clock.advance(2)
    assert watched.look()


def test_elsewhere_than_on_glibc_nothing_happens(held, monkeypatch):
    monkeypatch.setattr(ctypes, "CDLL", lambda name: object())
    assert not Heap(ManualClock()).look()
    heap.one_arena()


def test_memory_is_given_back(monkeypatch):
    monkeypatch.setattr(heap.gc, "freeze", lambda: None)  # the tests' own objects
    watched = Heap(ManualClock())
    watched.look()
    before = resident()
    # Large enough to matter, small enough for the heap; every second one stays.
    pieces = [b"%d" % n + b"x" * 60_000 for n in range(4_000)]
    assert resident() > before + 200 * MIB
    del pieces[:-1]
    assert watched.look()
    assert resident() < before + 40 * MIB
