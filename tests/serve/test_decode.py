"""Fields as the sinks keep them, as readers want them."""

from __future__ import annotations

from headrace.serve.entities.decode import Hashes, window
from headrace.topology.model import Keyspace, Ring

HOUR_MS = 3_600_000
RINGS = {"m": Ring(bucket_s=300, slots=12), "d": Ring(bucket_s=86_400, slots=30)}
PLAIN = Hashes(Keyspace(type="hash", located=False))
USER = Hashes(Keyspace(type="hash", located=True, rings=RINGS))
NOW_MS = 1_000 * HOUR_MS + 1


def last(at, offset, text):
    return b"%013d.%015d|%s" % (at, offset, text)


def test_parts_are_merged_by_the_newest_value_and_by_sums():
    parts = [
        {b"state": last(2, 9, b'{"a":1}'), b"name": last(1, 1, b"no json"), b"views": b"3"},
        {b"state": last(2, 10, b'{"a":2}'), b"views": b"4", b"gone": b"-1"},
    ]
    assert PLAIN.fields(parts, NOW_MS) == {"name": "no json", "state": {"a": 2}, "views": 7}


def test_windows_hold_the_newest_buckets_and_nothing_of_the_future():
    now = NOW_MS // 300_000
    buckets = {now: 1, now - 11: 10, now - 13: 100}
    held = {b"views:m%d" % (b % 12): b"%d:%d" % (b, n) for b, n in buckets.items()}
    assert USER.fields([held], NOW_MS) == {"views": {"1h": 11}}
    assert USER.fields([{b"views:m0": b"%d:5" % (now + 1)}], NOW_MS) == {}
    assert USER.fields([{b"views:m0": b"%d:5" % (now - 12)}], NOW_MS) == {}
    assert USER.fields([held, held], NOW_MS) == {"views": {"1h": 22}}


def test_a_field_of_no_declared_grain_is_a_counter():
    assert USER.fields([{b"p:x7": b"2"}], NOW_MS) == {"p:x7": 2}


def test_names_of_windows():
    lengths = [
        (300, 12, "1h"),
        (3600, 24, "24h"),
        (86_400, 30, "30d"),
        (60, 90, "90m"),
        (1, 7, "7s"),
    ]
    assert all(window(Ring(bucket_s=b, slots=n)) == name for b, n, name in lengths)
