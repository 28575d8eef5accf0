"""Mending: assignments over the columns, and a script's function."""

from __future__ import annotations

from pathlib import Path

import pytest

from headrace.dlq.fix import Expression, Headers, LeaveIt, Records, Script
from headrace.errors import ConfigError, Terminal
from headrace.schema import Registry
from tests.dlq.test_partial import GOOD, ORDER, ROOT
from tests.dlq.test_reason import letter

RECORDS = Records(Registry.load(ROOT), "orders")
LETTER = letter("r", topic="shop.orders")
NONE: Headers = {}


def fixed(text: str, value: bytes = GOOD) -> dict[str, object]:
    mended = Expression(RECORDS, text)(LETTER, value, NONE)
    df = RECORDS.frame(LETTER, mended)
    return RECORDS.encoder.to_json(df.row(0, named=True))


def test_assignments_change_their_columns_in_order_and_nothing_else():
    assert fixed("total = total * 2; currency = 'USD'") == {
        **ORDER, "total": "25.00", "currency": "USD",
    }  # fmt: skip
    assert fixed("total = abs(0 - total); order_id = user_id || ';x'; user_id = order_id") == {
        **ORDER, "order_id": "ann;x", "user_id": "ann;x",
    }  # fmt: skip
    mended = fixed("currency = CASE WHEN region = 'eu_west' THEN upper('gbp') ELSE currency END;")
    assert mended["currency"] == "GBP"
    assert fixed("trace_id = 'abc'")["trace_id"] == "abc"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "write column = expression"),
        ("total", "no assignment"),
        ("totl = 1", "no field 'totl'"),
        ("total = nocolumn + 1", "nocolumn"),
        ("total = ", "parse"),
        ("total = nosuch(total)", "nosuch"),
        ("currency = 'XXX'", "XXX"),
        ("total = 'a lot'", "a lot"),
        ("total = (SELECT 1)", "--fix"),
        ("total = read_csv('/etc/passwd')", "--fix"),
    ],
)
def test_what_can_not_be_meant_is_refused_before_anything_is_read(text, says):
    with pytest.raises(ConfigError, match=says):
        Expression(RECORDS, text)


@pytest.mark.parametrize(
    "text", ["currency = user_id", "total = total * 10000000000", "user_id = NULL"]
)
def test_a_result_that_does_not_fit_leaves_the_record(text):
    with pytest.raises(LeaveIt):
        Expression(RECORDS, text)(LETTER, GOOD, NONE)


def test_an_undecodable_record_has_no_columns():
    with pytest.raises(LeaveIt, match="can't be decoded"):
        Expression(RECORDS, "total = 1")(LETTER, GOOD[:-3], NONE)


def script(tmp_path: Path, body: str) -> Script:
    path = tmp_path / "fix.py"
    path.write_text(f"def fix(value, record, headers):\n    {body}\n")
    return Script(RECORDS, path)


def test_a_script_gets_bytes_fields_and_headers_and_answers_with_any_of_three(tmp_path):
    changed = script(tmp_path, "return {**record, 'user_id': headers['who'].decode()}")
    mended = changed(LETTER, GOOD, {"who": b"bob"})
    assert RECORDS.frame(LETTER, mended)["user_id"].to_list() == ["bob"]
    whole = script(tmp_path, "assert record is None; return value + headers['rest']")
    assert whole(LETTER, GOOD[:-3], {"rest": GOOD[-3:]}) == GOOD
    with pytest.raises(LeaveIt) as left:
        script(tmp_path, "return None")(LETTER, GOOD, NONE)
    assert left.value.meant
    with pytest.raises(LeaveIt, match="colour") as failed:
        script(tmp_path, "return {**record, 'colour': 1}")(LETTER, GOOD, NONE)
    assert not failed.value.meant


def test_a_script_that_is_wrong_is_told_with_the_record(tmp_path):
    with pytest.raises(Terminal, match=r"shop\.orders at 0:0 fix raised ZeroDivisionError"):
        script(tmp_path, "return 1 / 0")(LETTER, GOOD, NONE)
    with pytest.raises(Terminal, match="fix returned int"):
        script(tmp_path, "return 1")(LETTER, GOOD, NONE)
    (tmp_path / "none.py").write_text("x = 1")
    with pytest.raises(ConfigError, match="no function fix"):
        Script(RECORDS, tmp_path / "none.py")
    with pytest.raises(ConfigError, match="FileNotFoundError"):
        Script(RECORDS, tmp_path / "nowhere.py")
