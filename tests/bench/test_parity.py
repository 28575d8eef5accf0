"""The short form of `python -m bench.parity`: every view is the same however it is made."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench import parity
from bench.process import ROOT
from headrace import topology

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


def test_streamed_archived_replayed_and_offline_views_are_equal():
    replays = ("funnel_by_hour", "requests_by_minute")  # others are in tests/replay
    report = parity.run(10_000, Console(quiet=True), rows_per_file=500, replays=replays)
    declared = topology.load(ROOT)
    assert report["views"].keys() == declared.clickhouse.views.keys()
    for name, view in report["views"].items():
        assert view["rows"] > 0, name
        ways = {"log", "archive"}
        ways |= {"replayed"} if name in replays else set()
        ways |= {"declared"} if name in declared.declared else set()
        assert ways <= view["differing"].keys(), name
        assert set(view["differing"].values()) == {0}, (name, view["examples"])
    assert report["equal"]
    assert report["verified"]  # against a recount in plain Python
    assert report["archived"]["records"] == 10_000
    assert report["archived"]["files"] > 24
