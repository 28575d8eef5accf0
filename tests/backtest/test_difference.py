"""What differs is counted and named; what is the same is the same whatever its types are called."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import polars as pl
import pytest

from headrace.backtest.difference import compare


def table(**columns) -> pl.DataFrame:
    return pl.DataFrame({"key": ["a", "b", None], "sum": [1, 2, 3], **columns})


def test_equal_tables_are_the_same():
    times = [datetime(2026, 3, 1, tzinfo=UTC)] * 3
    one = table(
        money=pl.Series([Decimal("1.10"), None, Decimal("3.30")], dtype=pl.Decimal(38, 2)),
        text=pl.Series(["x", "y", None], dtype=pl.Categorical),
        at=pl.Series(times, dtype=pl.Datetime("ms", "UTC")),
        top=[[{"value": "x", "number": 2}], [], None],
    )
    other = table(
        money=pl.Series([Decimal("1.10"), None, Decimal("3.30")], dtype=pl.Decimal(38, 2)),
        text=["x", "y", None],
        at=pl.Series(times, dtype=pl.Datetime("us", "UTC")),
        top=[[{"1": "x", "2": 2}], [], None],
    ).with_columns(pl.col("sum").cast(pl.UInt8))
    found = compare(one, other.reverse(), ["key"])
    assert found.same
    assert found.rows == (3, 3)
    assert found.sums["sum"] == (6, 6)
    assert found.sums["money"] == (Decimal("4.40"), Decimal("4.40"))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sum", 4),
        ("money", Decimal("1.11")),
        ("money", None),
        ("share", 0.1 + 1e-16),
        ("list", [1, 3]),
        ("list", None),
    ],
)
def test_one_value_that_differs_is_named(name, value):
    one = pl.DataFrame(
        {"key": ["a", "b"], "sum": [1, 2], "money": [Decimal("1.10")] * 2, "share": [0.1] * 2,
         "list": [[1, 2]] * 2}
    )  # fmt: skip
    changed = pl.DataFrame({name: [value, one[name][1]]}, schema={name: one.schema[name]})
    found = compare(one, one.with_columns(changed[name]), ["key"])
    assert not found.same
    assert found.differing == 1
    (example,) = found.examples
    assert (example["key"], example["how"]) == ({"key": "a"}, "differ")
    assert example["store"][name] != example["offline"][name]


def test_rows_that_only_one_of_them_has():
    one, other = table(), table(key=["a", "c", None])
    found = compare(one, other, ["key"])
    assert found.differing == 2
    assert [(e["key"]["key"], e["how"]) for e in found.examples] == [
        ("b", "only offline"),
        ("c", "only in the store"),
    ]
    assert found.examples[0]["store"] is None


def test_estimates_may_differ_by_their_share_and_no_more():
    one = pl.DataFrame({"key": ["a", "b"], "distinct": [1_000, 1_000]})
    other = pl.DataFrame({"key": ["a", "b"], "distinct": [1_015, 1_030]})
    found = compare(one, other, ["key"], within={"distinct": 0.02})
    assert [example["key"] for example in found.examples] == [{"key": "b"}]
