"""Declared sessions as an agent with state: a block's events in, changes of sessions out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import polars as pl

from headrace.frame import Frame
from headrace.topology.sessions import Sessions
from headrace.windows.blocks import TIME, Columns
from headrace.windows.intervals import MERGES, Fresh, take
from headrace.windows.kept import Kept, Rest, pack, unpack
from headrace.windows.told import Told
from headrace.writes import NOTHING, Emit, Kind, RedisOps, State, Writes

HOUR_MS = 3_600_000
_KEY, _LATE = "_k0", "_late"


class SessionAgent:
    """``f(frame, states)`` of one declaration. Deterministic, and the same however blocks are cut:

    whether an event is late is asked of the event times before it in the log, one by one, and what
    is let go of is what no event that is not late could touch.
    """

    def __init__(self, name: str, declared: Sessions, keyspace: str, lates: str) -> None:
        """``keyspace`` is where states are kept, ``lates`` where late events are counted."""
        self._name = name
        self._declared = declared
        self._keyspace = keyspace
        self._lates = lates
        self._gap = declared.gap_s * 1000
        self._keep = declared.keep_hours * HOUR_MS
        self._merges = [MERGES[field.form] for field in declared.fields.values()]
        self._columns = Columns(declared)

    def __call__(self, frame: Frame, states: Mapping[str, bytes]) -> Writes:
        """Raises nothing of its own: the checks have seen to types and fields."""
        events = self._columns.events(frame.df)
        if not events.height:
            return NOTHING
        keys = events[_KEY].unique(maintain_order=True).to_list()
        kept = {key: unpack(states.get(key)) for key in keys}
        events, late = self._split(events, kept)
        told = Told(self._name, self._declared, frame.df.schema)
        emitted = self._merge(events, kept, told)
        if late.height and self._declared.late == "keep":
            alone = self._columns.sessions(late, alone=True)
            emitted += [told.late(key, one.session) for key, one in alone]
        return Writes(
            redis=self._count(late),
            events=(Emit(self._declared.into, emitted),) if emitted else (),
            state=(State(self._keyspace, {key: pack(one) for key, one in kept.items()}),),
        )

    def _split(
        self, events: pl.DataFrame, kept: Mapping[str, Kept]
    ) -> tuple[pl.DataFrame, pl.DataFrame]:
        """The events in time, and those that are late."""
        newest = {key: one.newest for key, one in kept.items() if one.newest is not None}
        latest = max((int(events[TIME].max()), *newest.values()))  # type: ignore[arg-type]
        if int(events[TIME].min()) >= latest - self._keep:  # type: ignore[arg-type]
            return events, events.clear()
        held = pl.DataFrame(
            {_KEY: list(newest), "_held": list(newest.values())},
            schema={_KEY: pl.String, "_held": pl.Int64},
        )
        newest_so_far = pl.max_horizontal("_held", pl.col(TIME).cum_max().over(_KEY))
        marked = events.join(held, on=_KEY, how="left", maintain_order="left").with_columns(
            (pl.col(TIME) < newest_so_far - self._keep).alias(_LATE)
        )
        on_time, late = marked.filter(~pl.col(_LATE)), marked.filter(_LATE)
        return on_time.drop("_held", _LATE), late.drop("_held", _LATE)

    def _merge(
        self, events: pl.DataFrame, kept: Mapping[str, Kept], told: Told
    ) -> list[dict[str, Any]]:
        fresh: dict[str, dict[Rest, list[Fresh]]] = defaultdict(lambda: defaultdict(list))
        for key, new in self._columns.sessions(events):
            fresh[key[0]][key[1:]].append(new)
        emitted = []
        for first, by_rest in fresh.items():
            one = kept[first]
            for rest, sessions in by_rest.items():
                held = one.sessions.get(rest, [])
                one.sessions[rest], changes = take(held, sessions, self._gap, self._merges)
                emitted += [told.change((first, *rest), change) for change in changes]
            last = max(sessions[-1].session.end for sessions in by_rest.values())
            one.newest = last if one.newest is None else max(one.newest, last)
            one.prune(one.newest - self._keep, self._gap)
        return emitted

    def _count(self, late: pl.DataFrame) -> tuple[RedisOps, ...]:
        if not late.height:
            return ()
        frame = pl.DataFrame({"id": ["late"], "field": ["events"], "delta": [late.height]})
        return (RedisOps(Kind.ADD, self._lates, frame),)
