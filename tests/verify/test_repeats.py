"""The recount's own idea of a repeat, by hand."""

from __future__ import annotations

from headrace import topology
from headrace.topology.model import Dedupe
from loadgen.verify.recount import Repeats


def test_a_repeat_is_one_within_the_window_of_its_partition():
    declared = topology.load()
    topic = declared.topics["shop.orders"].model_copy(
        update={"dedupe": Dedupe(key="event_id", window=3)}
    )
    repeats = Repeats(declared.model_copy(update={"topics": {"shop.orders": topic}}))

    def has(partition: int, offset: int, event_id: str) -> bool:
        return repeats.has("shop.orders", partition, offset, {"event_id": event_id})

    assert not has(0, 10, "a")
    assert not has(1, 11, "a")  # another partition
    assert has(0, 13, "a")  # three away
    assert has(0, 14, "a")  # of the repeat, too
    assert not has(0, 18, "a")  # four away


def test_topics_without_dedupe_have_no_repeats():
    declared = topology.load()
    assert declared.topics["platform.requests"].dedupe is None
    repeats = Repeats(declared)
    assert not repeats.has("platform.requests", 0, 1, {"event_id": "a"})
    assert not repeats.has("platform.requests", 0, 2, {"event_id": "a"})


def test_what_was_sent_back_from_the_dead_letters_is_no_repeat_but_remembered():
    repeats = Repeats(topology.load())

    def has(offset: int, redriven: bool) -> bool:
        return repeats.has("shop.orders", 0, offset, {"event_id": "a"}, redriven)

    assert not has(1, False)
    assert not has(2, True)
    assert has(3, False)
