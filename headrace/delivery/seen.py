"""Which ids a partition has seen in its last ``window`` offsets: exact, and by column.

Ids are kept in segments, as a log-structured merge tree keeps keys (O'Neil et al., 1996): each
holds the ids of an offset range by ascending hash, so that a block's ids are looked up in all of
them at once by binary search. A hash only finds candidates; the ids themselves decide. Segments of
like size are merged, so there are few, and one is dropped when all of it has left the window.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

Int64s = npt.NDArray[np.int64]
UInt64s = npt.NDArray[np.uint64]
Bools = npt.NDArray[np.bool_]

NEVER = np.iinfo(np.int64).min
#: A merged segment spans at most this part of the window: what has left the window and is still
#: held is never more than that.
PART = 4
#: Random, so that nobody can choose ids that all have one hash.
SEED = secrets.randbits(63)


@dataclass(frozen=True, slots=True, eq=False)
class _Segment:
    """Ids of offsets ``[first..last]`` in order of their hashes; of equal ids, the latest."""

    first: int
    last: int
    hashes: UInt64s
    offsets: Int64s
    ids: Any  # pa.LargeBinaryArray

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def nbytes(self) -> int:
        return int(self.hashes.nbytes + self.offsets.nbytes + self.ids.nbytes)


@dataclass(frozen=True, slots=True)
class _State:
    """All ids of offsets from ``since`` up to, not including, ``reach``."""

    segments: tuple[_Segment, ...]
    since: int
    reach: int


class Seen:
    """The ids of one partition. A function of the log's last ``window`` offsets, nothing else.

    Record ``o`` is a repeat when a record in ``[o - window, o)`` has its id, whether that one was a
    repeat itself or not. So what lies before ``o - window`` never matters, and the same log gives
    the same answer wherever remembering began and however the log was cut into blocks.
    """

    def __init__(self, window: int, state: _State | None = None) -> None:
        """``state`` is another one's, see ``at``; else what comes first must come from offset 0."""
        self._window = window
        #: Somewhat more than the window is held, so that going back a block needs no log.
        self._held = window + window // PART
        # Replaced in one step: a thread that comes late changes only what nobody reads any more.
        self._state = state or _State((), 0, 0)

    def __len__(self) -> int:
        """How many ids are held."""
        return sum(map(len, self._state.segments))

    @property
    def nbytes(self) -> int:
        """Bytes of what is held."""
        return sum(segment.nbytes for segment in self._state.segments)

    def at(self, position: int) -> tuple[Seen, int]:
        """The same, to be continued at ``position``; and from where it must be told the log first.

        The second is ``position`` when it remembers all that counts. It may lie before the log's
        beginning. This one must not be used any more.
        """
        state = self._state
        oldest = position - self._window
        if state.reach <= oldest or state.since > max(oldest, 0):
            return Seen(self._window, _State((), oldest, oldest)), oldest
        segments, reach = state.segments, min(state.reach, position)
        while segments and segments[-1].last >= position:
            reach = segments[-1].first  # of an id that came twice it has only the later offset
            segments = segments[:-1]
        return Seen(self._window, _State(segments, state.since, reach)), max(reach, oldest)

    def repeats(self, ids: pl.Series, offsets: Int64s, last: int) -> Bools:
        """Which records are repeats; all of them are remembered.

        ``ids`` (String or Binary, no nulls) and ``offsets`` (ascending) are a block's, that ends at
        ``last``. Blocks must be told in the order of the log.
        """
        state = self._state
        hashes = ids.hash(SEED).to_numpy()
        order = np.argsort(hashes, kind="stable")
        binary = ids.cast(pl.Binary).to_arrow(compat_level=pl.CompatLevel.oldest())
        # In the order of hashes from here on: that makes the binary searches walk, not jump.
        hashes, at, sorted_ids = hashes[order], offsets[order], binary.take(order)
        previous, newest = _within(hashes, at, sorted_ids)
        for segment in state.segments:
            _look_up(segment, hashes, sorted_ids, previous)
        repeated = np.empty(len(ids), bool)
        repeated[order] = previous >= at - self._window
        kept = newest & (at > last - self._held)
        made = _Segment(
            state.reach, last, hashes[kept], at[kept], sorted_ids.take(np.flatnonzero(kept))
        )
        self._state = self._with(state, made)
        return repeated

    def _with(self, state: _State, new: _Segment) -> _State:
        reach = new.last + 1
        since = max(state.since, reach - self._held)
        segments = [segment for segment in state.segments if segment.last >= since]
        while segments and self._alike(segments[-1], new):
            new = _merged(segments.pop(), new)
        return _State((*segments, new), since, reach)

    def _alike(self, one: _Segment, other: _Segment) -> bool:
        small = other.last - one.first < max(self._window // PART, 1)
        return small and len(one) <= 2 * len(other)


def _within(hashes: UInt64s, offsets: Int64s, ids: Any) -> tuple[Int64s, Bools]:
    """For each of a block's rows: the offset before it with its id; whether it is the id's last."""
    previous, newest = np.full(len(hashes), NEVER), np.ones(len(hashes), bool)
    alike = hashes[1:] == hashes[:-1]
    rows = np.flatnonzero(np.append(alike, False) | np.append(False, alike))  # of one hash
    if len(rows):
        frame = pl.DataFrame({"id": pl.from_arrow(ids.take(rows)), "at": offsets[rows]})
        found = frame.select(
            before=pl.col("at").shift(1).over("id").fill_null(NEVER),
            newest=pl.col("id").is_last_distinct(),
        )
        previous[rows], newest[rows] = found["before"].to_numpy(), found["newest"].to_numpy()
    return previous, newest


def _look_up(segment: _Segment, hashes: UInt64s, ids: Any, previous: Int64s) -> None:
    """Raise ``previous`` to the offset of the same id in the segment, where there is one."""
    if not len(segment):
        return
    left = np.searchsorted(segment.hashes, hashes, "left")
    rows = np.flatnonzero(segment.hashes[np.minimum(left, len(segment) - 1)] == hashes)
    if not len(rows):
        return
    left = left[rows]
    lengths = np.searchsorted(segment.hashes, hashes[rows], "right") - left
    row = np.repeat(rows, lengths)
    within = np.arange(len(row)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    place = np.repeat(left, lengths) + within
    equal = _equal(ids, row, segment.ids, place)
    np.maximum.at(previous, row[equal], segment.offsets[place[equal]])


def _equal(some: Any, at: Int64s, others: Any, place: Int64s) -> Bools:
    same = pc.equal(some.take(at), others.take(place))
    return np.asarray(same.to_numpy(zero_copy_only=False), bool)


def _merged(one: _Segment, other: _Segment) -> _Segment:
    """Both in one; of an id that both have, only the later offset."""
    hashes = np.concatenate([one.hashes, other.hashes])
    order = np.argsort(hashes, kind="stable")  # merges two runs; the older of equals comes first
    hashes = hashes[order]
    offsets = np.concatenate([one.offsets, other.offsets])[order]
    ids = pa.concat_arrays([one.ids, other.ids]).take(order)
    alike = np.flatnonzero(hashes[1:] == hashes[:-1])
    if len(alike):
        keep = np.ones(len(hashes), bool)
        keep[alike[_equal(ids, alike, ids, alike + 1)]] = False
        hashes, offsets, ids = hashes[keep], offsets[keep], ids.take(np.flatnonzero(keep))
    return _Segment(one.first, other.last, hashes, offsets, ids)
