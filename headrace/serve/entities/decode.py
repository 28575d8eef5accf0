"""Values as the sinks keep them (docs/views.md), merged over partitions, as readers want them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from headrace.topology.model import Decay, Keyspace
from headrace.topology.ring import Ring

#: ``<occurred_at ms, 13 digits>.<offset, 15 digits>|`` stands before a value of which the newest
#: counts; no counter is so long.
_DOT, _BAR = 13, 29
_RING = re.compile(rb"(.+):([a-z]+)([0-9]+)")
_JSON = (b"{", b"[")
#: Scores are as of the last full minute, so that they stand still for a while.
AS_OF_MS = 60_000
MAX_NAMES = 10_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Hashes:
    """Decodes the hashes of one keyspace; compiled once, as every field of a person passes here."""

    def __init__(self, keyspace: Keyspace) -> None:
        self._grains = {
            grain.encode(): (ring.bucket_s * 1000, ring.slots, window(ring))
            for grain, ring in keyspace.rings.items()
        }
        #: Metric and grain by field: there are as many as metrics have slots.
        self._names: dict[bytes, tuple[str, bytes] | None] = {}

    def fields(self, parts: Iterable[Mapping[bytes, bytes]], now_ms: int) -> dict[str, Any]:
        """Newest values decoded, rings as sums by window, counters above 0."""
        newest: dict[bytes, bytes] = {}
        counters: dict[bytes, int] = defaultdict(int)
        rings: dict[str, dict[str, int]] = {}
        # By grain: buckets above the first and up to the second are in the window.
        spans = {
            grain: (now_ms // length - slots, now_ms // length, name)
            for grain, (length, slots, name) in self._grains.items()
        }
        for part in parts:
            for name, value in part.items():
                if value[_BAR : _BAR + 1] == b"|" and value[_DOT : _DOT + 1] == b".":
                    newest[name] = max(value, newest.get(name, b""))
                elif spans and (slot := self._slot(name)) is not None:
                    metric, grain = slot
                    windows = rings.setdefault(metric, {})
                    oldest, last, shown = spans[grain]
                    bucket, _, total = value.partition(b":")
                    if oldest < int(bucket) <= last:
                        windows[shown] = windows.get(shown, 0) + int(total)
                else:
                    counters[name] += int(value)
        found: dict[str, Any] = {
            name.decode(): _text(value[_BAR + 1 :]) for name, value in newest.items()
        }
        found |= {name.decode(): count for name, count in counters.items() if count > 0}
        found |= {name: windows for name, windows in rings.items() if windows}
        return dict(sorted(found.items()))

    def _slot(self, name: bytes) -> tuple[str, bytes] | None:
        """Metric and grain of a ring's field; None for a field of another kind."""
        try:
            return self._names[name]
        except KeyError:
            match = _RING.fullmatch(name)
            known = match is not None and match[2] in self._grains
            found = (match[1].decode(), match[2]) if match is not None and known else None
            if len(self._names) < MAX_NAMES:
                self._names[name] = found
            return found


def _text(value: bytes) -> Any:
    """JSON objects and arrays as what they are, all else as text."""
    return orjson.loads(value) if value.startswith(_JSON) else value.decode()


def window(ring: Ring) -> str:
    """The time that a ring covers: ``1h``, ``24h``, ``30d``."""
    length = ring.bucket_s * ring.slots
    for unit, seconds, least in (("d", 86_400, 2), ("h", 3_600, 1), ("m", 60, 1)):
        if length % seconds == 0 and length >= least * seconds:
            return f"{length // seconds}{unit}"
    return f"{length}s"


def members(
    keyspace: Keyspace, parts: Iterable[Iterable[tuple[bytes, float]]], now_ms: int
) -> list[tuple[str, float]]:
    """A sorted set's members with their scores, the greatest first.

    Scores that fade are added and scaled to the last full minute; of others the greatest counts.
    """
    scores: dict[bytes, float] = {}
    for part in parts:
        for member, score in part:
            held = scores.get(member)
            if held is None:
                scores[member] = score
            else:
                scores[member] = max(held, score) if keyspace.decay is None else held + score
    factor = 1.0 if keyspace.decay is None else _faded(keyspace.decay, now_ms)
    order = sorted(scores.items(), key=lambda item: (-item[1], item[0]))
    return [(member.decode(), score * factor) for member, score in order]


def _faded(decay: Decay, now_ms: int) -> float:
    landmark_ms = (decay.landmark - _EPOCH).total_seconds() * 1000
    age_ms = now_ms // AS_OF_MS * AS_OF_MS - landmark_ms
    return float(2.0 ** (-age_ms / (decay.half_life_hours * 3_600_000)))
