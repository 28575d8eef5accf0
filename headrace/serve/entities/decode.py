"""Values as the sinks keep them (docs/views.md), merged over partitions, as readers want them."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

import orjson

from headrace.topology.model import Decay, Keyspace, Ring

#: ``<occurred_at ms>.<offset>|`` in front of a value of which the newest counts.
_VERSION = re.compile(rb"[0-9]{13}\.[0-9]{15}\|")
_RING = re.compile(rb"(.+):([a-z]+)([0-9]+)")
_JSON = (b"{", b"[")
#: Scores are as of the last full minute, so that they stand still for a while.
AS_OF_MS = 60_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def fields(
    keyspace: Keyspace, parts: Iterable[Mapping[bytes, bytes]], now_ms: int
) -> dict[str, Any]:
    """A hash's fields: newest values decoded, rings as sums by window, counters above 0."""
    newest: dict[bytes, bytes] = {}
    counters: dict[bytes, int] = defaultdict(int)
    rings: dict[bytes, dict[str, int]] = {}
    for part in parts:
        for name, value in part.items():
            if _VERSION.match(value):
                newest[name] = max(value, newest.get(name, b""))
            elif keyspace.rings and (match := _RING.fullmatch(name)):
                windows = rings.setdefault(match[1], defaultdict(int))
                _add_slot(windows, keyspace.rings.get(match[2].decode()), value, now_ms)
            else:
                counters[name] += int(value)
    found: dict[str, Any] = {name.decode(): _text(value[30:]) for name, value in newest.items()}
    found |= {name.decode(): count for name, count in counters.items() if count > 0}
    found |= {name.decode(): dict(windows) for name, windows in rings.items() if windows}
    return dict(sorted(found.items()))


def _text(value: bytes) -> Any:
    """JSON objects and arrays as what they are, all else as text."""
    return orjson.loads(value) if value.startswith(_JSON) else value.decode()


def _add_slot(windows: dict[str, int], ring: Ring | None, value: bytes, now_ms: int) -> None:
    if ring is None:
        return
    bucket, _, total = value.partition(b":")
    newest = now_ms // (ring.bucket_s * 1000)
    if newest - ring.slots < int(bucket) <= newest:
        windows[window(ring)] += int(total)


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
