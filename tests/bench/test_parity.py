"""The short form of `python -m bench.parity`: every view is the same however it is made."""

from __future__ import annotations

import pytest
from rich.console import Console

from bench import parity
from bench.process import ROOT
from headrace import topology

pytestmark = [pytest.mark.services, pytest.mark.slow, pytest.mark.timeout(600)]


def test_streamed_from_the_log_and_from_the_archive_views_are_equal():
    report = parity.run(15_000, Console(quiet=True), rows_per_file=500)
    assert report["views"].keys() == topology.load(ROOT).clickhouse.views.keys()
    for name, view in report["views"].items():
        assert view["rows"] > 0, name
        assert view["differing"] == {"log": 0, "archive": 0}, (name, view["examples"])
    assert report["equal"]
    assert report["verified"]  # against a recount in plain Python
    assert report["archived"]["records"] == 15_000
    assert report["archived"]["files"] > 24
