"""Which numbers are times: what Avro's logical types of time allow."""

from __future__ import annotations

from headrace.schema.types import Logical

_DAY_S = 86_400
#: Years 1 to 9999 in seconds since 1970: what dates can be written as text in.
_YEARS_S = (-62_135_596_800, 253_402_300_799)
_PER_SECOND = {"millis": 10**3, "micros": 10**6, "nanos": 10**9}


def time_range(logical: Logical) -> tuple[int, int]:
    """The least and the greatest value of a logical type that has a meaning."""
    if logical.name == "date":
        return _YEARS_S[0] // _DAY_S, _YEARS_S[1] // _DAY_S
    per_second = _PER_SECOND[logical.name.rpartition("-")[2]]
    if logical.name.startswith("time-"):
        return 0, _DAY_S * per_second - 1
    low, high = _YEARS_S[0] * per_second, (_YEARS_S[1] + 1) * per_second - 1
    return max(low, -(2**63)), min(high, 2**63 - 1)  # nanoseconds end in 2262
