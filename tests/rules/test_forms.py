"""Each form of a rule: what holds, what fails, and which declarations are refused."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headrace.rules import references
from headrace.rules.compiled import compile_rule
from headrace.rules.wrong import Wrong
from tests.rules.cases import decode, registry, rule

NAN = float("nan")


@pytest.mark.parametrize(
    ("form", "field", "good", "bad"),
    [
        ({"one_of": ["a", "b"]}, "s", ["a", "b"], ["", "ab", "A"]),
        ({"one_of": [1, -2]}, "n", [1, -2], [0, 2]),
        ({"one_of": ["DE"]}, "place", ["DE"], ["FR", "nowhere"]),
        ({"pattern": "^[0-9]+$"}, "s", ["1", "007"], ["", "1 ", "x1"]),
        ({"pattern": "^.{2}$"}, "place", ["DE", "FR"], ["nowhere"]),
        ({"min": 0, "max": 5}, "n", [0, 5], [-1, 6]),
        ({"min": "0.5"}, "m", [1, 2**62], [0, -(2**62)]),
        ({"max": "-0.5"}, "m", [-1], [0]),
        ({"min": 0.1}, "x", [0.1, 1.0, float("inf")], [0.0, -1.0, NAN]),
        ({"min": 0, "max": 1}, "y", [0.0, 1.0], [1.0000000001, NAN, float("-inf")]),
        ({"min": "0.005", "max": "9.999"}, "money", ["0.01", "9.99"], ["0.00", "10.00", "-0.01"]),
        ({"is": "iso_3166_alpha2"}, "place", ["DE", "FR"], ["nowhere"]),
        ({"is": "iso_4217"}, "s", ["EUR", "JPY"], ["eur", "XXX", ""]),
        ({"is": "uuid"}, "s", ["0198c0de-0000-7000-8000-0123456789aB"], ["0198c0de", "0" * 36]),
        ({"is": "ulid"}, "s", ["01J9Z0XAZ0T3M9QGQ1C7K4V8SD"], ["81J9Z0XAZ0T3M9QGQ1C7K4V8SD", "1"]),
        ({"is": "email"}, "s", ["a.b+c@example.org"], ["a@b", "@example.org", "a b@example.org"]),
        ({"is": "w3c_trace_id"}, "s", ["0" * 32], ["0" * 31, "A" * 32]),
    ],
)
def test_what_holds_and_what_fails(
    form: dict[str, Any], field: str, good: list[Any], bad: list[Any]
) -> None:
    values = [Decimal(v) if field == "money" else v for v in [*good, *bad]] + [None]
    frame = decode({"r": rule(field=field, **form)}, *({field: v} for v in values))
    assert [entry.index for entry in frame.bad] == list(range(len(good), len(good) + len(bad)))
    assert frame.failed == {"r": len(bad)}


def test_a_null_holds_unless_the_rule_is_required():
    for form in ({"min": 0}, {"one_of": [1]}, {}):
        frame = decode({"r": rule(field="n", required=True, **form)}, {"n": None}, {"n": 1})
        assert [entry.index for entry in frame.bad] == [0]
    frame = decode({"r": rule(check="n > 0 AND m > 0")}, {"n": 1}, {"n": 0}, {"m": 1, "n": 1})
    assert [entry.index for entry in frame.bad] == [1]
    frame = decode({"r": rule(check="n > 0 AND m > 0", required=True)}, {"n": 1}, {"m": 1, "n": 1})
    assert [entry.index for entry in frame.bad] == [0]


@pytest.mark.parametrize(
    ("check", "holds"),
    [
        ("n < m", {"n": 1, "m": 2}),
        ("place <> 'nowhere' OR s IS NOT NULL", {"place": "nowhere", "s": "x"}),
        ("length(s) = 2 AND s LIKE 'a%'", {"s": "ab"}),
        ("array_length(list) > 1", {"list": [1, 2]}),
        ("n BETWEEN 1 AND 3 AND n IN (2, 3)", {"n": 2}),
        ("money >= 0.01", {"money": Decimal("0.01")}),
        ("TRY_CAST(s AS INT) = 7", {"s": "7"}),
        ("coalesce(n, 0) = 0", {"n": None}),
        ("'CURRENT_DATE' = s OR 'now()' <> s", {"s": "x"}),
    ],
)
def test_expressions_of_sql(check: str, holds: dict[str, Any]) -> None:
    assert not decode({"r": rule(check=check)}, holds).bad
    opposite = rule(check=f"NOT ({check})")
    assert len(decode({"r": opposite}, holds).bad) == 1


@pytest.mark.parametrize(
    ("form", "part", "wrong"),
    [
        ({}, None, "has none"),
        ({"check": "n > 0", "field": "n", "min": 0}, None, "has check and min"),
        ({"check": "n > 0", "field": "n"}, "field", "names its fields itself"),
        ({"min": 0}, None, "names no field"),
        ({"field": "nn", "min": 0}, "field", "no such field"),
        ({"field": "s", "min": 0}, "min", "String"),
        ({"field": "s", "max": 0}, "max", "String"),
        ({"field": "list", "one_of": [1]}, "one_of", "List"),
        ({"field": "n", "pattern": "1"}, "pattern", "Int32"),
        ({"field": "n", "is": "uuid"}, "is", "Int32"),
        ({"field": "n", "one_of": ["1"]}, "one_of", "Int32"),
        ({"field": "s", "one_of": ["1", 2]}, "one_of", "String"),
        ({"field": "place", "one_of": ["DE", "UK"]}, "one_of", "no such symbol"),
        ({"field": "s", "pattern": "("}, "pattern", "unclosed group"),
        ({"field": "s", "pattern": "(?=a)"}, "pattern", "not a regular expression"),
        ({"field": "s", "is": "iso_4218"}, "is", "no such reference"),
        ({"field": "n", "min": 2, "max": 1}, "min", "more than max"),
        ({"field": "money", "max": 1_000_000}, "max", "more digits"),
        ({"field": "m", "max": 2**64}, "max", "beyond 64 bits"),
        ({"check": "n >"}, "check", "not an expression of SQL"),
        ({"check": ""}, "check", "not an expression of SQL"),
        ({"check": "n > 0; DROP TABLE n"}, "check", "not an expression of SQL"),
        ({"check": "nn > 0"}, "check", "no field 'nn'"),
        ({"check": "n + 1"}, "check", "not true or false"),
        ({"check": "s > 1"}, "check", "does not fit the fields' types"),
        ({"check": "1 = 1"}, "check", "names no field"),
        ({"check": "s ~ '('"}, "check", "does not fit"),
        ({"check": "n > avg(n)"}, "check", "beyond the row"),
        ({"check": "n < count(*)"}, "check", "beyond the row"),
        ({"check": "row_number() OVER (ORDER BY n) < 5"}, "check", "beyond the row"),
        ({"check": "n > covar(n, m)"}, "check", "beyond the row"),
        ({"check": "n > (SELECT 1)"}, "check", "beyond the row"),
        ({"check": "unnest(list) > 1"}, "check", "beyond the row"),
        ({"check": "m < date_part('year', now())"}, "check", "asks the clock"),
        ({"check": "n > 0 AND CURRENT_DATE > '2020-01-01'"}, "check", "asks the clock"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_refused(form: dict[str, Any], part: str | None, wrong: str) -> None:
    dtypes = {column.name: column.dtype for column in registry().latest("case")}
    with pytest.raises(Wrong) as caught:
        compile_rule("r", rule(**form), dtypes)
    assert caught.value.part == part
    assert wrong in caught.value.wrong
    assert caught.value.fix


def test_code_lists_have_their_form():
    for name, length in (("iso_4217", 3), ("iso_3166_alpha2", 2)):
        codes = references.CODES[name]
        assert len(set(codes)) == len(codes)
        assert all(len(c) == length and c.isalpha() and c.isupper() for c in codes)
    assert len(references.CODES["iso_3166_alpha2"]) == 249
