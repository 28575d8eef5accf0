"""Compares two versions of a view: rows, aggregates over all, and a sample row by row."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from headrace.replay.store import Comparison, Total
from sinks.clickhouse.contents import finished

#: Rows that are compared by value, about; which ones is by a hash of their keys.
SAMPLE = 100_000
#: Differing rows that are shown.
EXAMPLES = 5
PAUSE_S = 0.25

Ask = Callable[[str], Sequence[Sequence[Any]]]
_FLOAT = re.compile(r"SimpleAggregateFunction\(\w+,\s*Float")


def compare(
    ask: Ask,
    before: tuple[str, Mapping[str, str]],
    after: tuple[str, Mapping[str, str]],
    keys: tuple[Sequence[str], Sequence[str]],
    patience_s: float,
) -> Comparison:
    """``before`` and ``after`` are a target's name and its columns' types, ``keys`` their orders.

    Live rows go to one version after the other, so what differs is looked at again until it agrees
    or ``patience_s`` are over.
    """
    deadline = time.monotonic() + patience_s
    pause = threading.Event()
    while True:
        found = _once(ask, before, after, keys)
        if found.equal or time.monotonic() > deadline:
            return found
        pause.wait(PAUSE_S)


def _once(
    ask: Ask,
    before: tuple[str, Mapping[str, str]],
    after: tuple[str, Mapping[str, str]],
    keys: tuple[Sequence[str], Sequence[str]],
) -> Comparison:
    shared = {c: kind for c, kind in before[1].items() if after[1].get(c) == kind}
    keyed = sorted(keys[0]) == sorted(keys[1]) and set(keys[0]) <= shared.keys()
    values = {c: merged(c, kind) for c, kind in shared.items() if c not in {*keys[0], *keys[1]}}
    old, new = (_totals(ask, *side, values) for side in ((before[0], keys[0]), (after[0], keys[1])))
    totals = [Total(c, o, n) for c, o, n in zip(values, old[1:], new[1:], strict=True)]
    counts = int(old[0]), int(new[0])
    if not keyed:
        return Comparison(*counts, totals, keyed=False)
    part = max(1, max(counts) // SAMPLE)
    rows = _rows(before[0], after[0], keys[0], values, part)
    sampled, missing, added, different, shown = ask(
        f"SELECT count(), countIf(sides = 1), countIf(sides = 2), countIf(sides = 3 AND differs), "
        f"groupArrayIf({EXAMPLES})(toString(key), sides < 3 OR differs) FROM ({rows})"
    )[0]
    return Comparison(
        *counts, totals, True, int(sampled), int(missing), int(added), int(different), list(shown)
    )


def _totals(ask: Ask, target: str, keys: Sequence[str], values: Mapping[str, str]) -> Sequence[Any]:
    key = ", ".join(f"`{key}`" for key in keys)
    select = ", ".join([f"uniqExact(({key}))", *values.values()])
    return ask(f"SELECT {select} FROM {target}")[0]


def _rows(
    before: str, after: str, keys: Sequence[str], values: Mapping[str, str], part: int
) -> str:
    """A row a key: ``sides`` has bit 1 for the old version and bit 2 for the new one."""
    key = ", ".join(f"`{key}`" for key in keys)
    value = f"[{', '.join(values.values())}]" if values else "['']"
    sides = [
        f"SELECT {side} AS side, tuple({key}) AS key, {value} AS value FROM {target} "
        f"WHERE cityHash64({key}) % {part} = 0 GROUP BY {key}"
        for side, target in ((1, before), (2, after))
    ]
    return (
        "SELECT key, sum(side) AS sides, uniqExact(value) > 1 AS differs "
        f"FROM ({' UNION ALL '.join(sides)}) GROUP BY key"
    )


def merged(column: str, kind: str) -> str:
    """A column's aggregate as text. Floats as 32 bits: their sums depend on the order of adding."""
    value = finished(f"`{column}`", kind)
    return f"toString({f'toFloat32({value})' if _FLOAT.match(kind.strip()) else value})"
