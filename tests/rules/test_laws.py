"""Verdicts by column are those of a plain reading row by row, however the log is cut."""

from __future__ import annotations

import math
import re
import sqlite3
import string
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from headrace.frame import MARKS
from headrace.rules import references
from headrace.rules.checked import decoder
from headrace.rules.rule import Rule
from tests.rules.cases import PLACE, block, registry, rule
from tests.strategies import cuts

_integers = st.integers(-3, 3) | st.sampled_from([-(2**31), 2**31 - 1])
_floats = st.sampled_from([0.0, -0.0, 0.1, 0.1 + 2**-60, 1.5, -2.0, math.inf, -math.inf, math.nan])
_floats |= st.floats(width=32)
_texts = st.text("ab1 ", max_size=3) | st.sampled_from(["EUR", "DE", "é", "a\nb", "XXX"])
_money = st.integers(-300, 300).map(lambda cents: Decimal(cents) / 100)
_rows = st.fixed_dictionaries(
    {
        "n": st.none() | _integers,
        "m": st.none() | _integers | st.integers(-(2**63), 2**63 - 1),
        "x": st.none() | _floats,
        "y": st.none() | _floats | st.floats(),
        "s": st.none() | _texts,
        "place": st.none() | st.sampled_from(PLACE["symbols"]),
        "money": st.none() | _money,
    }
)
_limits = st.none() | st.decimals(-4, 4, places=3) | st.integers(-(2**31), 2**31)
_policies = st.sampled_from(["dead_letter", "mark"])
#: Expressions that SQLite, which knows nothing of Polars, reads in the same way.
_checks = st.sampled_from(
    [
        "n >= 0",
        "n < m",
        "n < 0 OR m < 0",
        "n < 0 AND m < 0",
        "NOT (n < 0 AND s = 'a')",
        "n IS NULL OR m IS NOT NULL",
        "n BETWEEN -1 AND 2",
        "s IN ('a', 'b', 'EUR')",
        "s <> 'a' AND n <> 1",
        "length(s) > 1",
        "coalesce(n, m) > 0",
        "CASE WHEN n > 0 THEN m > 0 ELSE s = 'a' END",
        "s LIKE 'a%' OR m = 0",
    ]
)
_forms = st.one_of(
    st.fixed_dictionaries({"check": _checks}),
    st.fixed_dictionaries(
        {"field": st.sampled_from(["n", "m", "x", "y", "money"]), "min": _limits, "max": _limits}
    ).filter(
        lambda f: (
            (f["min"], f["max"]) != (None, None)
            and (None in (f["min"], f["max"]) or f["min"] <= f["max"])
            and not (f["field"] == "money" and any(abs(f[k] or 0) > 99_999 for k in ("min", "max")))
        )
    ),
    st.fixed_dictionaries({"field": st.just("s"), "one_of": st.lists(_texts, min_size=1)}),
    st.fixed_dictionaries(
        {"field": st.sampled_from(["n", "m"]), "one_of": st.lists(_integers, min_size=1)}
    ),
    st.fixed_dictionaries(
        {
            "field": st.just("place"),
            "one_of": st.lists(st.sampled_from(PLACE["symbols"]), min_size=1),
        }
    ),
    st.fixed_dictionaries(
        {
            "field": st.sampled_from(["s", "place"]),
            "pattern": st.sampled_from(["", "^a", "[0-9 ]", "^(EUR|DE)$", "é|b$", "^.{2}$"]),
        }
    ),
    st.fixed_dictionaries(
        {"field": st.sampled_from(["s", "place"]), "is": st.sampled_from(references.NAMES)}
    ),
    st.fixed_dictionaries({"field": st.sampled_from(["n", "s", "y"]), "required": st.just(True)}),
)
_rules = st.dictionaries(
    st.text(string.ascii_lowercase, min_size=1, max_size=2),
    st.builds(
        lambda policy, form, required: rule(policy, **{"required": required} | form),
        _policies, _forms, st.booleans(),
    ),
    min_size=1,
    max_size=5,
)  # fmt: skip


def holds(one: Rule, row: Mapping[str, Any]) -> bool | None:
    """What a rule says of a row; None: it can't tell."""
    if one.check is not None:
        with sqlite3.connect(":memory:") as base:
            names = ", ".join(f"? AS {name}" for name in ("n", "m", "s"))
            told = base.execute(
                f"SELECT {one.check} FROM (SELECT {names})", (row["n"], row["m"], row["s"])
            ).fetchone()[0]
        return None if told is None else bool(told)
    assert one.field is not None
    value = row[one.field]
    if one.forms == ("required",):
        return value is not None
    return None if value is None else _holds(one, value)


def _holds(one: Rule, value: Any) -> bool:
    if one.one_of is not None:
        return value in one.one_of
    if one.pattern is not None:
        return found(one.pattern, value)
    if one.is_ is not None:
        codes = references.CODES.get(one.is_)
        if codes is not None:
            return value in codes
        return found(references.PATTERNS[one.is_], value)
    if isinstance(value, float):
        low = -math.inf if one.min is None else float(one.min)
        return low <= value <= (math.inf if one.max is None else float(one.max))
    return (one.min is None or value >= one.min) and (one.max is None or value <= one.max)


def found(pattern: str, value: str) -> bool:
    """Python's $ also matches before a newline at the end, Rust's does not."""
    return re.search(re.sub(r"\$$", r"\\Z", pattern), value) is not None


def float32(row: dict[str, Any]) -> dict[str, Any]:
    """The row as the schema holds it."""
    x = row["x"]
    return row | {"x": x if x is None else pl.Series([x], dtype=pl.Float32)[0]}


@given(_rules, st.lists(_rows, max_size=12), st.data())
def test_by_column_and_cut_anyhow_it_is_what_a_plain_reading_says(rules, rows, data):
    rows = [float32(row) for row in rows]
    fails = [
        {n for n, one in rules.items() if (holds(one, row) is None) * one.required
         or holds(one, row) is False}
        for row in rows
    ]  # fmt: skip
    diverting = {n for n, one in rules.items() if one.on_failure == "dead_letter"}
    marking = [n for n, one in rules.items() if one.on_failure == "mark"]
    aside = [100 + i for i, failed in enumerate(fails) if failed & diverting]
    marks = [[n for n in marking if n in failed] for failed in fails if not failed & diverting]
    decode = decoder(registry(), "case", rules)

    offsets, bad, told, counts = [], [], [], dict.fromkeys(rules, 0)
    for first, behind in data.draw(cuts(len(rows))):
        frame = decode(block(*rows[first:behind], first=100 + first))
        offsets += frame.df["_offset"].to_list()
        bad += [int(frame.block.offsets[entry.index]) for entry in frame.bad]
        told += frame.df[MARKS].to_list() if marking else [[] for _ in range(len(frame))]
        for name, count in frame.failed.items():
            counts[name] += count

    assert bad == aside
    assert offsets == [100 + i for i in range(len(rows)) if 100 + i not in aside]
    assert told == marks
    assert counts == {name: sum(name in failed for failed in fails) for name in rules}
