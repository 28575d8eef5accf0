"""Panels that can't be shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headrace.topology import examine, load

ROOT = Path(__file__).resolve().parents[2]
REGIONS = "show: top, by: region, metrics:"
TEXT = (ROOT / "topology.yaml").read_text(encoding="utf-8")
REVENUE = "show: lines, metrics: [revenue], by: region"
FUNNEL = "show: funnel, funnel: shop"
TRENDING = "show: ranking, view: trending, id: all"


@pytest.mark.parametrize(
    ("old", "new", "path", "wrong", "fix"),
    [
        (REVENUE, "show: line, metrics: [revenue]", "revenue.show", "not valid", "'lines'"),
        (REVENUE, "show: lines", "revenue.metrics", "missing", "needs 'metrics'"),
        (REVENUE, "show: lines, metrics: [income]", "revenue.metrics.0", "no such", "orders"),
        (REVENUE, "show: lines, metrics: [revenue], by: route", "revenue.by", "not a", "region"),
        (REVENUE, f"{REGIONS} [revenue, orders]", "revenue.metrics", "more than", "one"),
        (REVENUE, "show: top, metrics: [revenue]", "revenue.by", "missing", "needs 'by'"),
        (REVENUE, f"{REVENUE}, rose: 3", "revenue.rose", "unknown key", "'rows'"),
        (REVENUE, f"{REVENUE}, funnel: shop", "revenue.funnel", "no meaning", "leave it out"),
        (FUNNEL, "show: funnel, funnel: shops", "funnel.funnel", "no such funnel", "shop"),
        (FUNNEL, f"{FUNNEL}, by: region", "funnel.by", "no meaning", "leave it out"),
        (TRENDING, "show: ranking, view: fashion, id: all", "trending.view", "no such", "cart"),
        (TRENDING, "show: ranking, view: trending", "trending.id", "missing", "needs 'id'"),
        ("last: 15m", "last: soon", "categories.last", "legal", "smhd"),
    ],
)  # fmt: skip
def test_a_panel_that_cannot_be_shown_is_refused(tmp_path, old, new, path, wrong, fix):
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    assert old in TEXT
    (tmp_path / "topology.yaml").write_text(TEXT.replace(old, new, 1), encoding="utf-8")
    _, problems = examine(tmp_path)
    assert [problem.path for problem in problems] == [f"serve.panels.{path}"]
    assert wrong in str(problems[0])
    assert fix in str(problems[0])


def test_the_project_declares_panels_of_every_kind():
    panels = load(ROOT).serve.panels.values()
    kinds = {"lines", "bars", "table", "top", "funnel", "ranking"}
    assert {panel.show for panel in panels} == kinds
