"""A view's column as one value a key. Not FINAL: a plain view over the target ignores it silently
(seen on chDB 26.9), and readers name the plain view."""

from __future__ import annotations

import re

_SIMPLE = re.compile(r"SimpleAggregateFunction\((\w+),\s*(.+)\)$", re.S)
_STATE = re.compile(r"AggregateFunction\((\w+)(\(.*?\))?,.+\)$", re.S)


def merged(column: str, kind: str) -> str:
    """The aggregate that finishes a column, for a query that groups by the view's keys."""
    simple, state = _SIMPLE.match(kind.strip()), _STATE.match(kind.strip())
    if simple:
        return f"{simple[1]}(`{column}`)"
    if state:
        return f"{state[1]}Merge{state[2] or ''}(`{column}`)"
    return f"any(`{column}`)"


def is_float(kind: str) -> bool:
    """Whether a column's values are floating-point numbers, which add up in any order."""
    simple = _SIMPLE.match(kind.strip())
    return bool(simple and simple[2].strip().startswith("Float"))
