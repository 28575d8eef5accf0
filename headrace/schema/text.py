"""Avro's logical types as people and JSON write them, to and from the raw number."""

from __future__ import annotations

import base64
import binascii
import math
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any

from headrace.schema.types import Logical

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DAY_ZERO = date(1970, 1, 1)
_UNITS = {"millis": 1_000, "micros": 1_000_000, "nanos": 1_000_000_000}
_DIGITS = {"millis": "milliseconds", "micros": "microseconds", "nanos": "microseconds"}


def unit(logical: Logical) -> int:
    """How many of the logical type's units make a second."""
    return _UNITS[logical.name.rpartition("-")[2]]


def raw_time(logical: Logical, value: Any) -> int:
    """The number that Avro stores; raise ValueError or TypeError if ``value`` is not one of them.

    Numbers pass as they are. Text is RFC 3339; only a local timestamp has no offset.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    name = logical.name
    if name == "date":
        day = date.fromisoformat(value) if isinstance(value, str) else value
        if isinstance(day, datetime) or not isinstance(day, date):
            raise TypeError
        return (day - _DAY_ZERO).days
    if name.startswith("time-"):
        clock = time.fromisoformat(value) if isinstance(value, str) else value
        if not isinstance(clock, time) or clock.tzinfo is not None:
            raise TypeError
        since = timedelta(
            hours=clock.hour,
            minutes=clock.minute,
            seconds=clock.second,
            microseconds=clock.microsecond,
        )
        return _scaled(since, unit(logical))
    moment = datetime.fromisoformat(value) if isinstance(value, str) else value
    if not isinstance(moment, datetime) or (moment.tzinfo is None) != name.startswith("local-"):
        raise TypeError
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _scaled(moment - _EPOCH, unit(logical))


def _scaled(since: timedelta, per_second: int) -> int:
    """Exact: what is finer than the unit is an error, not rounded away."""
    micros = since // timedelta(microseconds=1)
    if per_second >= 1_000_000:
        return micros * (per_second // 1_000_000)
    value, rest = divmod(micros, 1_000_000 // per_second)
    if rest:
        raise ValueError("finer than the unit")
    return value


def time_text(logical: Logical, value: date | time | datetime) -> str:
    """What :func:`raw_time` reads back, with all the digits of the unit."""
    if isinstance(value, datetime):
        shown = value.isoformat(timespec=_DIGITS[logical.name.rpartition("-")[2]])
        return shown.replace("+00:00", "Z")
    if isinstance(value, time):
        return value.isoformat(timespec=_DIGITS[logical.name.rpartition("-")[2]])
    return value.isoformat()


def raw_decimal(logical: Logical, value: Any, bits: int) -> int:
    """The unscaled integer; raise ValueError or TypeError unless ``value`` fits exactly.

    ``bits`` of magnitude are all there is room for.

    A float stands for its shortest text: 12.34 means 12.34.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise TypeError
    try:
        number = Decimal(repr(value) if isinstance(value, float) else value)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not number.is_finite():
        raise ValueError("not finite")
    sign, digits, exponent = number.as_tuple()
    assert isinstance(exponent, int)  # of a finite number
    shift = exponent + logical.scale
    whole = int("".join(map(str, digits)))
    if whole == 0:
        return 0
    if shift > logical.precision:
        raise ValueError("too large")
    if -shift > len(digits):
        raise ValueError("more places than the scale")
    # By integers: the decimal module would round to its context's precision.
    unscaled, rest = (whole * 10**shift, 0) if shift >= 0 else divmod(whole, 10**-shift)
    if rest:
        raise ValueError("more places than the scale")
    if unscaled >= 10**logical.precision:
        raise ValueError("more digits than the precision")
    if unscaled.bit_length() > bits:
        raise ValueError("too large for its bytes")
    return int(-unscaled if sign else unscaled)


def raw_bytes(value: Any) -> bytes:
    """Bytes as they are, or from base64 text; raise ValueError or TypeError otherwise."""
    if isinstance(value, bytes):
        return value
    if not isinstance(value, str):
        raise TypeError
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from None


def bytes_text(value: bytes) -> str:
    """What :func:`raw_bytes` reads back."""
    return base64.b64encode(value).decode()


def real(value: Any) -> float:
    """A number, or text such as "NaN" that JSON has no number for."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError
    return float(value)


def real_json(value: float) -> float | str:
    """What :func:`real` reads back."""
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
