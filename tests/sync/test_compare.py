"""Two sides compared: against a plain oracle, over the stores' types; what can't be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import ConfigError
from headrace.sync.compare import Rows, compare

SIDES = st.dictionaries(
    st.integers(0, 6), st.tuples(st.integers(-5, 5), st.sampled_from(["a", "b"])), max_size=6
)


def rows(side: str, held: dict[int, tuple[int, str]]) -> Rows:
    return Rows(side, ["id"], [{"id": k, "n": n, "word": w} for k, (n, w) in held.items()])


@given(SIDES, SIDES)
def test_what_differs_is_what_a_plain_comparison_says(
    old: dict[int, tuple[int, str]], new: dict[int, tuple[int, str]]
) -> None:
    found = compare(rows("old", old), rows("new", new), examples=100)
    wanted = {key for key in old.keys() | new.keys() if old.get(key) != new.get(key)}
    assert found.differing == len(wanted)
    assert {int(example.key[0]) for example in found.examples} == wanted
    assert found.equal == (old == new)
    assert (found.old_rows, found.new_rows) == (len(old), len(new))
    assert found.rows == len(old.keys() | new.keys())
    for summed in found.sums:
        assert summed.name == "n"
        assert summed.old == sum(n for n, _ in old.values())
        assert summed.new == sum(n for n, _ in new.values())


SAME: list[tuple[Any, Any]] = [
    (Decimal("12.50"), Decimal("12.5000")),
    (Decimal("12.50"), 12.5),
    (7, Decimal(7)),
    (7, "7"),  # Redis holds text
    (Decimal("1.10"), "1.1"),
    (datetime(2026, 3, 1, 12, tzinfo=UTC), datetime(2026, 3, 1, 12)),
    (
        datetime(2026, 3, 1, 12, tzinfo=UTC),
        datetime(2026, 3, 1, 14, tzinfo=timezone(timedelta(hours=2))),
    ),
    (None, None),
    (True, True),
    (True, 1),  # where a store has no booleans
    ("x", "x"),
]
OTHER: list[tuple[Any, Any]] = [
    (Decimal("0.1"), Decimal("0.10000001")),
    (0.1, 0.30000000000000004 - 0.2),
    (7, "seven"),
    ("07", "7"),
    (None, 0),
    (datetime(2026, 3, 1, 12), datetime(2026, 3, 1, 13)),
]


@pytest.mark.parametrize(
    ("old", "new", "same"), [(*p, True) for p in SAME] + [(*p, False) for p in OTHER]
)
def test_values_of_different_stores(old: Any, new: Any, same: bool) -> None:
    found = compare(
        Rows("old", ["k"], [{"k": 1, "v": old}]), Rows("new", ["k"], [{"k": 1, "v": new}])
    )
    assert found.equal == same


def test_the_report_has_exact_numbers_as_text() -> None:
    old = Rows("old", ["k"], [{"k": "a", "v": Decimal("0.10")}, {"k": "b", "v": Decimal(1)}])
    new = Rows("new", ["k"], [{"k": "a", "v": Decimal("0.3")}])
    assert compare(old, new).as_dict() == {
        "rows": 2, "old_rows": 2, "new_rows": 1, "differing": 2, "equal": False,
        "sums": [{"name": "v", "old": "1.10", "new": "0.3"}],
        "examples": [
            {"key": ("a",), "column": "v", "old": "0.10", "new": "0.3"},
            {"key": ("b",), "column": "", "old": {"k": "b", "v": "1"}, "new": None},
        ],
    }  # fmt: skip


def test_what_can_not_be_compared_is_told_with_the_fix() -> None:
    with pytest.raises(ConfigError, match=r"old: two rows have the key 1: group by it"):
        Rows("old", ["k"], [{"k": 1}, {"k": Decimal(1)}])
    with pytest.raises(ConfigError, match=r"new: no column 'k' for the key; there are v"):
        Rows("new", ["k"], [{"v": 1}])
    with pytest.raises(ConfigError, match=r"old has the columns a, new has b: .* with AS"):
        compare(Rows("old", ["k"], [{"k": 1, "a": 1}]), Rows("new", ["k"], [{"k": 1, "b": 1}]))
