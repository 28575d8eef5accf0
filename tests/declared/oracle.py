"""Declarations evaluated event by event, in plain Python: what every store must come to."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.declared.cases import Row, expression

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Record:
    """An event in its place."""

    topic: str
    partition: int
    offset: int
    event: Row

    @property
    def ms(self) -> int:
        return int(self.event["occurred_at"])


@dataclass(frozen=True)
class Taken:
    """What one record gives to a field: a value, perhaps whose it is, in its order."""

    value: Any
    by: Any
    ms: int
    order: tuple[int, ...]


def table(declared: dict[str, Any], log: Sequence[Record]) -> list[Row]:
    """The final table, sorted by window and key."""
    sources = declared["from"] if isinstance(declared["from"], dict) else {declared["from"]: {}}
    groups: dict[tuple[Any, ...], dict[str, list[Taken]]] = defaultdict(lambda: defaultdict(list))
    for record in log:
        if record.topic not in sources:
            continue
        number = list(sources).index(record.topic)
        for event, entry in _entries(record.event, sources[record.topic]):
            for window in _windows(declared.get("window"), record.ms):
                keys = [expression(k)(event, entry) for k in declared.get("key", [])]
                group = groups[(*window, *keys)]
                for name, one in declared["fields"].items():
                    if record.topic in one.get("from", [record.topic]):
                        group[name] += _taken(one, record, number, event, entry)
    names = [declared["window"]["name"]] if "window" in declared else []
    names += declared.get("key", [])
    rings = _rings_of(declared["keep"])
    table = []
    for place in sorted(groups):
        row = dict(zip(names, place, strict=True))
        for name, one in declared["fields"].items():
            row[name] = _finished(one, groups[place][name], rings)
        table.append(row)
    return table


def _rings_of(keep: Any) -> Row:
    redis = keep.get("redis", {}) if isinstance(keep, dict) else {}
    found: Row = redis.get("rings", {})
    return found


def _entries(event: Row, source: Row) -> Iterator[tuple[Row, Row]]:
    for entry in event.get(source["each"], []) if "each" in source else [{}]:
        where = source.get("where")
        if where is None or expression(where)(event, entry):
            mapped = {n: expression(t)(event, entry) for n, t in source.get("map", {}).items()}
            yield {**event, **mapped}, entry


def _windows(window: Row | None, ms: int) -> Iterator[tuple[Any, ...]]:
    if window is None:
        yield ()
    elif "calendar" in window:
        day = (EPOCH + timedelta(milliseconds=ms)).astimezone(ZoneInfo(window["zone"])).date()
        back = {"day": 0, "week": day.weekday(), "month": day.day - 1}[window["calendar"]]
        yield (day - timedelta(days=back),)
    else:
        every = int(window["every"][:-1]) * 60_000
        length = int(window.get("length", window["every"])[:-1]) * 60_000
        begin = ms - ms % every
        while begin > ms - length:
            yield (EPOCH + timedelta(milliseconds=begin),)
            begin -= every


def _taken(one: Row, record: Record, number: int, event: Row, entry: Row) -> Iterator[Taken]:
    if "where" in one and not expression(one["where"])(event, entry):
        return
    kind = next(iter(one))
    given = one[kind]
    if isinstance(given, dict):
        value: Any = {name: expression(text)(event, entry) for name, text in given.items()}
    else:
        value = True if given is True else expression(given)(event, entry)
    by = expression(one["by"])(event, entry) if "by" in one else None
    order = (record.ms, record.offset, record.partition, number)
    if value is not None and ("by" not in one or by is not None):
        yield Taken(value, by, record.ms, order)


def _finished(one: Row, taken: list[Taken], rings: Row) -> Any:  # noqa: PLR0911, PLR0912 - one each
    kind = next(iter(one))
    values = [t.value for t in taken]
    match kind:
        case "count" | "sum" if rings:
            return _rings(rings, [(t.ms, 1 if kind == "count" else t.value) for t in taken])
        case "count":
            return len(values)
        case "sum":
            return sum(values)
        case "min":
            return min(values, default=None)
        case "max":
            return max(values, default=None)
        case "first":
            return min(taken, key=lambda t: t.order).value if taken else None
        case "last":
            return max(taken, key=lambda t: t.order).value if taken else None
        case "distinct":
            return len(set(values))
        case "top":
            ranked = sorted(Counter(values).items(), key=lambda p: (-p[1], p[0].encode()))
            return ranked[: one["n"]]
        case "newest":
            seen = {v: max(t.ms for t in taken if t.value == v) for v in values}
            ranked = sorted(seen.items(), key=lambda p: (p[1], p[0].encode()), reverse=True)
            return ranked[: one["n"]]
        case "histogram":
            bounds = [*one["bounds"], math.inf]
            places = Counter(next(i for i, b in enumerate(bounds) if v <= b) for v in values)
            return [places[i] for i in range(len(bounds))]
        case "quantiles":
            return pytest.approx(_quantiles(values, one["levels"]), rel=1e-12)
        case "decayed":
            scores: dict[str, Fraction] = defaultdict(Fraction)
            for t in taken:
                scores[t.by] += Fraction(t.value) * _factor(one, t.ms)
            ranked_ = sorted(scores.items(), key=lambda p: (-p[1], p[0].encode()))
            return [(by, float(score)) for by, score in ranked_]
    raise AssertionError(kind)


def _quantiles(values: list[Any], levels: list[float]) -> list[float]:
    """By a DDSketch whose buckets are the logarithms, cut off: what is within 1 % of the value."""
    log = math.log(1.01 / 0.99)
    ranked = sorted(values)
    picked = [ranked[math.floor(level * (len(values) - 1))] for level in levels if values]
    return [math.exp(int(math.log(v) / log) * log) * 1.01 if v else 0.0 for v in picked]


def _factor(one: Row, ms: int) -> Fraction:
    landmark = (one["landmark"] - EPOCH) // timedelta(milliseconds=1)
    mantissa, exponent = math.frexp(2.0 ** ((ms - landmark) / (one["half_life_hours"] * 3_600_000)))
    return Fraction(round(mantissa * 2**16)) * Fraction(2) ** (exponent - 16)


def _rings(rings: Row, added: list[tuple[int, int]]) -> list[tuple[str, int, int]]:
    held = []
    for ring, declared in sorted(rings.items()):
        buckets: dict[int, int] = defaultdict(int)
        for ms, number in added:
            buckets[ms // (declared["bucket_s"] * 1_000)] += number
        newest = {bucket % declared["slots"]: bucket for bucket in sorted(buckets)}
        held += [(ring, bucket, buckets[bucket]) for bucket in sorted(newest.values())]
    return held
