"""What the regression check makes of ratios."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from bench import check
from bench.field import HEADRACE

BEST = {
    ("decode", HEADRACE): 900.0,
    ("minutes", HEADRACE): 800.0,
    ("users", HEADRACE): 700.0,
    ("rows", HEADRACE): 200.0,
    ("consume", "aiokafka, getmany"): 1_000.0,
    ("minutes", "Faust"): 4.0,
}


def test_ratios_divide_headrace_by_the_others():
    found = check.ratios(BEST)
    assert found["decode : aiokafka, getmany, consume"] == 0.9
    assert found["minutes : Faust, minutes"] == 200.0
    assert len(found) == len(check.RATIOS)


def test_a_loss_is_a_share_of_what_was_recorded():
    assert check.losses({"a": 0.6, "b": 2.0}, {"a": 1.0, "b": 1.0}) == {
        "a": pytest.approx(0.4),
        "b": pytest.approx(-1.0),
    }
    with pytest.raises(KeyError):
        check.losses({}, {"a": 1.0})


def test_the_table_says_what_was_lost():
    text = io.StringIO()
    check.show({"a": 0.6}, {"a": 1.0}, Console(file=text, width=80))
    assert "40%" in text.getvalue()
