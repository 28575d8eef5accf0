"""A declared join as an agent with state: events of both sides in, pairs out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgpack
import numpy as np
import orjson
import polars as pl

from headrace.frame import OFFSET, Frame
from headrace.topology.joins import Join
from headrace.windows import ids
from headrace.windows.matching import Both, Event, Pair, Rule, Step
from headrace.windows.sides import DUE, OF, WITH
from headrace.writes import NOTHING, Emit, Kind, RedisOps, State, Writes

HOUR_MS = 3_600_000
_COLUMNS = ("key", "side", "source_partition", "source_offset", "item", "payload")


class Record(NamedTuple):
    """An event of a side as it stands in ``via``; ``seen`` is the record's timestamp (ms)."""

    offset: int
    seen: int
    side: str
    event: Event


class JoinAgent:
    """``f(frame, states)`` of one declaration, for frames of its topic ``via``.

    Deterministic, and the same however blocks are cut: events are taken one by one in log order,
    and what is late is asked of those before.
    """

    def __init__(
        self, name: str, declared: Join, keyspace: str, lates: str, forget_ms: int | None = None
    ) -> None:
        """``keyspace`` is where states are kept, ``lates`` where late events are counted.

        A key is forgotten by a timer ``forget_ms`` after its last record, None: never.
        """
        self._name = name
        self._declared = declared
        self._keyspace = keyspace
        self._lates = lates
        self._forget_ms = forget_ms
        self._rule = Rule(
            declared.match,
            None if declared.within_s is None else declared.within_s * 1000,
            declared.of.topic == declared.with_.topic,
            declared.keep_hours * HOUR_MS,
        )

    def __call__(self, frame: Frame, states: Mapping[str, bytes]) -> Writes:
        """Raises nothing of its own: what ``via`` has was made by ``Sides``."""
        if not len(frame):
            return NOTHING
        late: Counter[str] = Counter()
        emitted: list[dict[str, Any]] = []
        kept: dict[str, bytes | None] = {}
        due: dict[str, int] = {}
        for key, records in _by_key(frame).items():
            both, told = self._take(unpack(states.get(key)), records, late)
            emitted += told
            kept[key] = None if both.newest is None else pack(both)
            if self._forget_ms is not None and both.newest is not None:
                due[key] = both.seen + self._forget_ms
        return Writes(
            redis=_count(self._lates, late),
            events=(Emit(self._declared.into, emitted),) if emitted else (),
            state=(State(self._keyspace, kept, due),),
        )

    def _take(
        self, both: Both, records: Iterable[Record], late: Counter[str]
    ) -> tuple[Both, list[dict[str, Any]]]:
        """What is left of one key, and what to tell.

        That is every step, also what the same block takes back: a block that comes again may be cut
        differently (Redis lost its tail), and what was told of the old one must be taken back.
        """
        rule = self._rule
        told = []
        for offset, seen, side, event in records:
            if side == DUE:
                if self._forget_ms is not None and both.seen + self._forget_ms <= event.time:
                    both = Both()
                continue
            both.seen = max(both.seen, seen)
            horizon = both.horizon(rule)
            is_late = horizon is not None and event.time < horizon
            late[side] += is_late
            if side == OF and is_late:
                if self._declared.late == "keep":
                    told.append(self._event(Step(Pair(event, None), False), offset, late=True))
                continue
            steps = both.add_one(event, rule) if side == OF else both.add_other(event, rule)
            told += [self._event(step, offset) for step in steps if self._shows(step.pair)]
        both.prune(rule)
        return both, told

    def _shows(self, pair: Pair) -> bool:
        matched = pair.other is not None and pair.other.payload is not None
        return matched or self._declared.unmatched == "keep"

    def _event(self, step: Step, version: int, late: bool = False) -> dict[str, Any]:
        (one, other), retracted = step
        assert one.payload is not None  # only the side ``with`` has deletes
        pair_id = ids.of(self._name, one[:4], other and other[:4])
        result = orjson.loads(one.payload)
        result.update(dict.fromkeys(self._declared.with_.fields))
        matched = other is not None and other.payload is not None
        if other is not None and other.payload is not None:
            result.update(orjson.loads(other.payload))
        return {
            "event_id": pair_id + ("-" if retracted else "+"),
            "pair_id": pair_id,
            "result_id": ids.of(self._name, one[:4]),
            "version": version,
            "retracted": retracted,
            "late": late,
            "matched": matched,
            "occurred_at": one.time,
            "matched_at": other.time if other is not None and matched else None,
            **result,
        }


def pack(both: Both) -> bytes:
    """As bytes of MessagePack."""
    packed: bytes = msgpack.packb((both.newest, both.seen, both.ones, both.others))
    return packed


def unpack(data: bytes | None) -> Both:
    """What :func:`pack` made, or nothing kept."""
    if data is None:
        return Both()
    newest, seen, ones, others = msgpack.unpackb(data)
    return Both(newest, seen, [*map(Event._make, ones)], [*map(Event._make, others)])


def _by_key(frame: Frame) -> dict[str, list[Record]]:
    """The records of a frame by key, in log order."""
    found: dict[str, list[Record]] = defaultdict(list)
    df, block = frame.df, frame.block
    offsets = df[OFFSET]
    seen = block.timestamps[np.searchsorted(block.offsets, offsets.to_numpy())].tolist()
    times = df["occurred_at"].dt.epoch("ms").to_list()
    columns = (df[name].to_list() for name in _COLUMNS)
    rows = zip(offsets.to_list(), seen, times, *columns, strict=True)
    for offset, at, time, key, side, *rest in rows:
        found[key].append(Record(offset, at, side, Event(time, *rest)))
    return found


def _count(keyspace: str, late: Counter[str]) -> tuple[RedisOps, ...]:
    counted = [side for side in (OF, WITH) if late[side]]
    if not counted:
        return ()
    columns = {"id": "late", "field": counted, "delta": [late[side] for side in counted]}
    return (RedisOps(Kind.ADD, keyspace, pl.DataFrame(columns)),)
