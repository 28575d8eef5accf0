"""What is wrong with what is to be watched is told with its place and the fix."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headrace.topology.loader import examine

ROOT = Path(__file__).resolve().parents[2]
LINE = "    orders:           {metric: orders, group: shop, direction: down}\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")
    return tmp_path


@pytest.mark.parametrize(
    ("watch", "path", "wrong", "fix"),
    [
        ("{metric: order, group: shop}", "metric", "no such metric", "orders"),
        ("{metric: orders, group: shops}", "group", "no such group", "shop"),
        ("{metric: exposures, group: shop}", "metric", "3600 s", "by minute"),
        ("{metric: orders, group: shop, by: [route]}", "by.0", "not a dimension", "region"),
        ("{metric: orders, group: shop, where: {type: a}}", "where.type", "not a dim", "region"),
        ("{metric: latency, group: shop}", "level", "not a level", "0.5, 0.95"),
        ("{metric: orders, group: shop, level: 0.5}", "level", "quantiles", "leave it out"),
    ],
)
def test_each_wrong_watch(root: Path, watch: str, path: str, wrong: str, fix: str) -> None:
    text = (ROOT / "topology.yaml").read_text()
    assert LINE in text
    (root / "topology.yaml").write_text(text.replace(LINE, f"    orders: {watch}\n"))
    _, problems = examine(root)
    (found,) = problems
    assert found.path == f"anomalies.watches.orders.{path}"
    assert wrong in found.wrong
    assert fix in found.fix


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("slot_minutes: 10", "slot_minutes: 7", "anomalies.slot_minutes"),
        ("  platform.flags:", "  headrace.alerts:", 'topics."headrace.alerts"'),
    ],
)
def test_other_mistakes(root: Path, old: str, new: str, path: str) -> None:
    text = (ROOT / "topology.yaml").read_text().replace(old, new, 1)
    (root / "topology.yaml").write_text(text)
    _, problems = examine(root)
    assert path in [problem.path for problem in problems]


def test_alerts_need_their_schema(root: Path) -> None:
    (root / "schemas" / "alerts.avsc").unlink()
    shutil.copy(ROOT / "topology.yaml", root / "topology.yaml")
    _, (problem,) = examine(root)
    assert problem.path == "anomalies.watches"
    assert "schemas/alerts.avsc" in problem.wrong
