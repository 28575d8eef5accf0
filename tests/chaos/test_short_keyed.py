"""The short form of `make chaos` for state by key and what it emits: faults, then the proof."""

from __future__ import annotations

import pytest
from rich.console import Console

from tests.chaos.__main__ import play

SEED = 20261124
FAULTS = ["crash point", "redis loses its tail", "kill everything", "offsets deleted"]
pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.parametrize("subject", ["visits", "saga"])
def test_nothing_is_lost_or_doubled_whatever_is_killed(monkeypatch, subject):
    monkeypatch.setenv("HEADRACE_HOME", "set by play, restored after")
    report = play(SEED, len(FAULTS), 1_500.0, 2, Console(quiet=True), FAULTS, subject)
    assert report["faults"] == len(FAULTS)
    assert report["compared"] > 100
    assert report["differing"] == 0
    assert report["verified"]
