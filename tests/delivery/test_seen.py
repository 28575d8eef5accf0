"""The filter of repeats against a dictionary: any log, any cut, any going back."""

from __future__ import annotations

import numpy as np
import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from headrace.delivery import seen as module
from headrace.delivery.seen import Seen

STEPS = st.lists(st.integers(1, 3), min_size=1, max_size=120)
WINDOWS = st.sampled_from([1, 2, 5, 20, 100, 1000])


def by_dictionary(ids: list[str], offsets: list[int], window: int) -> list[bool]:
    found, at = [], {}
    for name, offset in zip(ids, offsets, strict=True):
        before = at.get(name)
        found.append(before is not None and before >= offset - window)
        at[name] = offset
    return found


def tell(seen: Seen, ids: list[str], offsets: list[int], last: int) -> list[bool]:
    told = seen.repeats(pl.Series(ids, dtype=pl.String), np.array(offsets, np.int64), last)
    return [bool(b) for b in told]


@st.composite
def logs(draw):
    """Offsets with gaps, and few enough ids that many come again."""
    offsets = [int(o) for o in np.cumsum(draw(STEPS))]
    few = draw(st.sampled_from([1, 3, 12, 100]))
    ids = [f"id{draw(st.integers(0, few))}" for _ in offsets]
    return ids, offsets


@settings(max_examples=settings().max_examples * 3)
@given(logs(), WINDOWS, st.data())
def test_as_a_dictionary_would_wherever_it_is_cut_and_taken_up_again(log, window, data):
    ids, offsets = log
    expected = by_dictionary(ids, offsets, window)
    seen, at, told = Seen(window), 0, []
    turns = 0
    while at < len(ids):
        if turns < 6 and data.draw(st.booleans(), "taken up elsewhere"):
            turns += 1
            at = data.draw(st.integers(0, at), "from record")
            seen, since = seen.at(offsets[at])
            before = [i for i in range(at) if since <= offsets[i]]
            if before:
                last = offsets[at] - 1
                tell(seen, [ids[i] for i in before], [offsets[i] for i in before], last)
        stop = min(len(ids), at + data.draw(st.integers(1, 25), "records"))
        last = offsets[stop - 1] if stop == len(ids) else offsets[stop] - 1  # a gap belongs to it
        told[at:] = tell(seen, ids[at:stop], offsets[at:stop], last)
        at = stop
    assert told == expected


@given(logs(), WINDOWS)
def test_a_hash_that_many_ids_have_decides_nothing(log, window):
    ids, offsets = log
    pairs = [f"{name}-{o % 2}" for name, o in zip(ids, offsets, strict=True)]
    clashing = pl.Series(pairs, dtype=pl.String)

    class Clash(pl.Series):
        def hash(self, *_: int) -> pl.Series:  # type: ignore[override]
            return self.str.slice(0, 3).hash(0)

    seen, half = Seen(window), len(pairs) // 2
    told = []
    for a, b in ((0, half), (half, len(pairs))):
        if a < b:
            part = Clash(clashing[a:b])
            told += seen.repeats(part, np.array(offsets[a:b], np.int64), offsets[b - 1]).tolist()
    assert told == by_dictionary(pairs, offsets, window)


def test_memory_is_bounded_by_the_window_whatever_the_blocks():
    window = 10_000
    for rows in (7, 500, 30_000):
        seen = Seen(window)
        for first in range(0, 60_000, rows):
            offsets = np.arange(first, first + rows)
            ids = pl.Series([f"{o:036}" for o in offsets])
            assert not seen.repeats(ids, offsets, first + rows - 1).any()
        most = window + 2 * window // module.PART + rows
        assert window <= len(seen) <= most
        assert seen.nbytes <= most * 64  # 36 of them the id itself
        assert len(seen._state.segments) <= 32


def test_a_small_step_back_needs_no_log_and_a_large_one_a_window():
    seen = Seen(1_000)
    for first in range(0, 5_000, 100):
        offsets = [*range(first, first + 100)]
        tell(seen, [str(o) for o in offsets], offsets, first + 99)
    _, since = seen.at(5_000)
    assert since == 5_000
    _, since = seen.at(4_950)
    assert since >= 4_700
    _, since = seen.at(2_500)
    assert since == 1_500
    _, since = seen.at(9_000)
    assert since == 8_000
