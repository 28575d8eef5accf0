"""The short form of `make chaos`, for CI: a few faults of the kinds that matter, then the proof."""

from __future__ import annotations

import pytest
from rich.console import Console

from tests.chaos.__main__ import play
from tests.chaos.faults import FAULTS

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


def test_nothing_is_lost_or_doubled_whatever_is_killed(monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", "set by play, restored after")
    chosen = ["crash point", "kill redis", "kill worker", "kill clickhouse", "crash point"]
    report = play(20261123, len(chosen), 3_000.0, 2, Console(quiet=True), chosen)
    assert sum(report["by_fault"].values()) == len(chosen)
    assert set(report["by_fault"]) <= set(FAULTS)
    assert report["compared"] > 10_000
    assert report["differing"] == 0
    assert report["verified"]
