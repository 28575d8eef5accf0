"""Times, lengths and steps of a request, with the limits that hold for all."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

from headrace.serve.problems import Problem

#: Points of one series.
MAX_POINTS = 2_000
#: Of a series whose step nobody names.
USUAL_POINTS = 400
MAX_RANGE_S = 400 * 86_400
#: The last second that ClickHouse's DateTime can hold, with room for one more range.
MAX_TIME_S = 2**32 - MAX_RANGE_S
STEPS = (60, 300, 900, 3_600, 21_600, 86_400, 604_800)
_LENGTH = re.compile(r"([1-9][0-9]{0,8})(s|m|h|d)")
_UNITS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_EPOCH_MS = re.compile(r"[0-9]{1,15}")


@dataclass(frozen=True, slots=True)
class Range:
    """``[from_s, to_s)`` in steps that start at multiples of ``step_s`` since the epoch."""

    from_s: int
    to_s: int
    step_s: int

    @property
    def buckets(self) -> range:
        """The start of each step."""
        return range(self.from_s, self.to_s, self.step_s)


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request says of time, as it is written there."""

    from_: str | None = None
    to: str | None = None
    last: str | None = None
    step: str | None = None


def length_s(text: str, parameter: str) -> int:
    """Seconds of ``15m``; raises Problem."""
    match = _LENGTH.fullmatch(text)
    if match is None:
        detail = f"{parameter}: {text!r} is not a length of time; write 30s, 15m, 24h or 7d"
        raise Problem(422, "invalid-range", detail, parameter=parameter)
    return int(match[1]) * _UNITS[match[2]]


def time_s(text: str, parameter: str) -> int:
    """Seconds since the epoch of RFC 3339 or epoch milliseconds; raises Problem."""
    if _EPOCH_MS.fullmatch(text):
        found = int(text) // 1000
    else:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            moment = None
        if moment is None or moment.tzinfo is None:
            detail = (
                f"{parameter}: {text!r} is not a time; write 2026-03-01T12:00:00Z or milliseconds "
                f"since 1970"
            )
            raise Problem(422, "invalid-range", detail, parameter=parameter)
        found = int(moment.timestamp())
    if not 0 <= found <= MAX_TIME_S:
        detail = f"{parameter}: {text!r} is outside of 1970 to {MAX_TIME_S // 31_556_952 + 1970}"
        raise Problem(422, "invalid-range", detail, parameter=parameter)
    return found


def resolve(asked: Asked, now_ms: int, grain_s: int, default_last: str) -> Range:
    """The range of a request; raises Problem when it is none, or too long.

    Ends are moved out to whole steps. Steps that begin in the future are cut off: nothing has
    happened in them yet.
    """
    now_s = now_ms // 1000
    last = asked.last
    if last is not None and asked.from_ is not None:
        raise Problem(422, "invalid-range", "from and last exclude each other", parameter="last")
    to_s = now_s + 1 if asked.to is None else time_s(asked.to, "to")
    if asked.from_ is None:
        from_s = max(0, to_s - length_s(last or default_last, "last"))
    else:
        from_s = time_s(asked.from_, "from")
    if from_s >= to_s:
        detail = f"from ({from_s * 1000}) is not before to ({to_s * 1000})"
        raise Problem(422, "invalid-range", detail, parameter="from")
    if to_s - from_s > MAX_RANGE_S:
        days = MAX_RANGE_S // 86_400
        detail = f"the range is longer than {days} days; ask for parts of it"
        raise Problem(422, "range-too-long", detail, limit_s=MAX_RANGE_S)
    span_s = to_s - from_s
    step_s = _step(asked.step, span_s, grain_s)
    to_s = -(-to_s // step_s) * step_s
    # A range that ends now has as many steps as it says, of which the last is under way.
    from_s = to_s - -(-span_s // step_s) * step_s if asked.from_ is None else from_s
    from_s = max(0, from_s // step_s * step_s)
    begun_s = now_s // step_s * step_s + step_s
    found = Range(from_s, max(from_s, min(to_s, begun_s)), step_s)
    if len(found.buckets) > MAX_POINTS:
        detail = (
            f"{len(found.buckets)} points by steps of {step_s} s, at most {MAX_POINTS} can be "
            f"asked for; use a longer step or a shorter range"
        )
        raise Problem(422, "too-many-points", detail, limit=MAX_POINTS)
    return found


def _step(text: str | None, span_s: int, grain_s: int) -> int:
    if text is None:
        fitting = [s for s in STEPS if s % grain_s == 0 and span_s <= s * USUAL_POINTS]
        return max(grain_s, fitting[0]) if fitting else max(grain_s, STEPS[-1])
    step_s = length_s(text, "step")
    if step_s % grain_s:
        detail = f"step: {text!r} is not a multiple of the view's {grain_s} s"
        raise Problem(422, "invalid-step", detail, parameter="step", grain_s=grain_s)
    if step_s > MAX_RANGE_S:
        raise Problem(422, "invalid-step", f"step: {text!r} is too long", limit_s=MAX_RANGE_S)
    return step_s
