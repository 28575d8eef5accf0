"""The short form of `make bench`: every contestant runs and gives the right answer. No timing."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench.__main__ import CONTESTANTS, measure, summarise

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


def test_contestants_agree_on_the_answer(monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", "set by measure, restored after")
    measured = measure(
        20_000, 2_000, 1, Console(quiet=True), timeout=90
    )  # raises on a wrong answer
    rows = summarise(measured)
    assert [row["name"] for row in rows] == [c.name for c in CONTESTANTS]
    assert all(row["events"] >= (2_000 if "Faust" in row["name"] else 20_000) for row in rows)
    assert 70 < measured["value_bytes"] < 90
