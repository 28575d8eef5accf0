"""The short form of `make chaos`, for CI: one fault of every kind, then the proof."""

from __future__ import annotations

import random

import pytest
from rich.console import Console

from tests.chaos.__main__ import play
from tests.chaos.faults import FAULTS

SEED = 20261124
pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


def test_nothing_is_lost_or_doubled_whatever_is_killed(monkeypatch):
    monkeypatch.setenv("HEADRACE_HOME", "set by play, restored after")
    chosen = list(FAULTS)
    random.Random(SEED).shuffle(chosen)
    report = play(SEED, len(chosen), 1_500.0, 2, Console(quiet=True), chosen)
    assert (
        len(FAULTS) - 1 <= report["faults"] <= len(FAULTS)
    )  # without a right to mount, no full disk
    assert report["notes"]["duplicates_in_the_log"] > 100
    assert report["notes"]["bad_records_in_the_log"] > 10
    assert report["compared"] > 10_000
    assert report["differing"] == 0
    assert report["verified"]
