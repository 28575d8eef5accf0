"""docs/performance.md shows the recorded run, and nothing else."""

from __future__ import annotations

import json

import pytest

from bench import report
from bench.field import FIELD


@pytest.fixture(scope="module")
def recorded():
    return json.loads(report.RECORDED.read_text(encoding="utf-8"))


def test_the_page_is_what_the_recorded_run_says(recorded):
    page = report.PAGE.read_text(encoding="utf-8")
    assert report.fill(page, recorded) == page, "run: python -m bench.report"
    for name, task in recorded["tasks"].items():
        assert (report.PLOTS / f"{name}.svg").exists() == (len(task["contestants"]) > 2)


def test_everybody_took_part_in_the_recorded_run(recorded):
    for task in recorded["tasks"].values():
        assert {row["name"] for row in task["contestants"]} <= {player.name for player in FIELD}
    names = {row["name"] for task in recorded["tasks"].values() for row in task["contestants"]}
    assert names == {player.name for player in FIELD}


def test_a_page_without_a_section_is_refused(recorded):
    with pytest.raises(ValueError, match="no section <!-- machine -->"):
        report.fill("nothing", recorded)


def test_the_same_run_gives_the_same_plot(recorded, tmp_path):
    task = recorded["tasks"]["minutes"]
    for name in ("a.svg", "b.svg"):
        report.plot(task, tmp_path / name)
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
