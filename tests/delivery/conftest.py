"""The model of the protocol has no time of its own: what is retried is retried at once."""

from __future__ import annotations

import pytest

from headrace.delivery import retry


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retry, "FIRST_PAUSE_S", 0.0)
    monkeypatch.setattr(retry, "MAX_PAUSE_S", 0.0)
