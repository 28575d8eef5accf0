"""What the declared types and selects of views say: which state a column is, and its grain."""

from __future__ import annotations

import re
from dataclasses import dataclass

from headrace.topology.model import View

_SUM = re.compile(r"SimpleAggregateFunction\(\s*sum\s*,.+\)")
_DISTINCT = re.compile(r"AggregateFunction\(\s*(uniq\w*(?:\([^)]*\))?)\s*,.+\)")
_QUANTILES = re.compile(r"AggregateFunction\(\s*(quantiles\w*)\(([^)]*)\)\s*,.+\)")
_TEXT = re.compile(r"(LowCardinality\(\s*)?(String|FixedString\(\d+\)|Enum(8|16)?\(.*\))\)?")
_TIME = re.compile(r"DateTime(64)?\b.*")
#: These take the sketch's accuracy before the levels.
_WITH_ACCURACY = ("quantilesDD", "quantilesGK")
#: Steps of any other length, as declared views have them.
_COUNTED = r"\btoDateTime\(intDiv\(toUnixTimestamp\([^()]*\), (\d+)\) \* \1, 'UTC'\)\s+"
GRAINS = {
    "toStartOfSecond": 1,
    "toStartOfMinute": 60,
    "toStartOfFiveMinutes": 300,
    "toStartOfTenMinutes": 600,
    "toStartOfFifteenMinutes": 900,
    "toStartOfHour": 3_600,
    "toStartOfDay": 86_400,
}


@dataclass(frozen=True, slots=True)
class Quantiles:
    """A state of quantiles: the function with its parameters, and the levels among them."""

    function: str
    parameters: str
    levels: tuple[float, ...]


def is_sum(kind: str) -> bool:
    """Whether a column's rows are added up."""
    return _SUM.fullmatch(kind) is not None


def is_text(kind: str) -> bool:
    """Whether a column can be compared with text."""
    return _TEXT.fullmatch(kind) is not None


def is_time(kind: str) -> bool:
    """Whether a column is a point in time."""
    return _TIME.fullmatch(kind) is not None


def distinct(kind: str) -> str | None:
    """The function of a state that counts different values; None if it is none."""
    match = _DISTINCT.fullmatch(kind)
    return match[1] if match else None


def quantiles(kind: str) -> Quantiles | None:
    """What a state of quantiles has; None if it is none."""
    match = _QUANTILES.fullmatch(kind)
    if match is None:
        return None
    try:
        numbers = [float(part) for part in match[2].split(",")]
    except ValueError:
        return None
    skip = 1 if match[1] in _WITH_ACCURACY else 0
    return Quantiles(match[1], match[2], tuple(numbers[skip:]))


def grain_s(view: View, column: str) -> int | None:
    """The length of a time column's steps, from the selects that fill it; None if they differ."""
    functions = "|".join(GRAINS)
    pattern = re.compile(rf"\b({functions})\s*\([^()]*\)\s+AS\s+`?{column}\b`?", re.IGNORECASE)
    counted = re.compile(rf"{_COUNTED}AS\s+`?{column}\b`?")
    exact = {name.lower(): length for name, length in GRAINS.items()}
    found = set()
    for select in view.from_.values():
        match, other = pattern.search(select), counted.search(select)
        length = exact[match[1].lower()] if match else None
        found.add(int(other[1]) if other else length)
    return found.pop() if len(found) == 1 else None
