"""A snapshot is written when asked for, holds while nothing changes, and shows what did."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from headrace.memory import MemorySink
from headrace.testing import snapshot
from headrace.testing.snapshot import VARIABLE


def held(total: str = "12.50", *, turned: bool = False) -> MemorySink:
    sink = MemorySink()
    at = datetime(2026, 3, 1, tzinfo=UTC)
    rows = [{"id": "o1", "total": Decimal(total), "at": at}, {"id": "o2", "raw": b"\xff"}]
    sink.tables["orders"] = rows[::-1] if turned else rows
    sink.redis[0, "user:views", "u1"] = {"h0": (5, 2)}
    return sink


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "kept" / "orders.json"
    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, "write")
        snapshot(held(), file)
    monkeypatch.delenv(VARIABLE, raising=False)
    return file


def test_what_is_kept_is_json_with_every_digit(file: Path):
    assert json.loads(file.read_text(encoding="utf-8")) == {
        "tables": {
            "orders": [
                {"id": "o1", "total": "12.50", "at": "2026-03-01 00:00:00+00:00"},
                {"id": "o2", "raw": "/w=="},
            ]
        },
        "redis": {"user:views[0]": {"u1": {"h0": [5, 2]}}},
    }


def test_the_order_of_rows_does_not_matter(file: Path):
    snapshot(held(turned=True), file)


def test_a_change_is_shown_and_not_written(file: Path):
    before = file.read_bytes()
    with pytest.raises(AssertionError) as found:
        snapshot(held("12.51"), file)
    changed = [line for line in str(found.value).splitlines() if line[:2] in ("- ", "+ ")]
    assert [line.split() for line in changed] == [
        ["-", '"total":', '"12.50"'],
        ["+", '"total":', '"12.51"'],
    ]
    assert file.read_bytes() == before


def test_a_missing_file_is_an_error_that_says_what_to_do(tmp_path: Path):
    with pytest.raises(AssertionError, match=f"no snapshot .*{VARIABLE}=write"):
        snapshot(held(), tmp_path / "none.json")
    assert not list(tmp_path.iterdir())
