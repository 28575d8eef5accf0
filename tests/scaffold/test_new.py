"""What ``headrace new`` writes passes its own test and the checks, and overwrites nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from headrace.errors import ConfigError
from headrace.scaffold.agent import agent
from headrace.scaffold.process import process
from headrace.scaffold.project import project
from headrace.scaffold.view import view

ROOT = Path(__file__).parents[2]


def run(root: Path, *args: str, code: int = 0) -> str:
    """A Python module in a project's folder, whose own ``agents`` come first."""
    done = subprocess.run(
        [sys.executable, "-m", *args], cwd=root, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(root), str(ROOT)])},
    )  # fmt: skip
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    project(tmp_path / "web-site")
    return tmp_path / "web-site"


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    for name in ("schemas", "agents"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "topology.yaml", tmp_path / "topology.yaml")
    return tmp_path


def test_a_new_project_with_a_view_and_an_agent(begun: Path):
    view(begun, "visits_by_page", None, "page", "seconds").write(begun)
    agent(begun, "visitors", None).write(begun)
    assert json.loads(run(begun, "headrace.cli.main", "check", "--json")) == {
        "valid": True, "problems": [], "warnings": [],
    }  # fmt: skip
    assert "3 passed" in run(begun, "pytest", "-q", "tests")
    told = run(begun, "headrace.cli.main", "graph", "--from", "site.visits.seconds")
    assert "panel visits_by_page" in told


def test_a_new_process(begun: Path):
    process(begun, "refund")
    told = json.loads(run(begun, "headrace.cli.main", "check", "--json"))
    assert told["valid"]
    run(begun, "headrace.cli.main", "schemas", "check")
    assert "3 passed" in run(begun, "pytest", "-q", "tests/test_refund.py")
    with pytest.raises(ConfigError, match=r"processes.refund, topics.refund.events, .*refund_comm"):
        process(begun, "refund")


def test_skeletons_in_the_shop(shop: Path):
    view(shop, "carts", "shop.sessions", "category", "quantity").write(shop)
    agent(shop, "payers", "shop.payments").write(shop)
    view(shop, "spent", "shop.orders", "region", "total").write(shop)
    told = json.loads(run(shop, "headrace.cli.main", "check", "--json"))
    assert told == {"valid": True, "problems": [], "warnings": []}
    assert "3 passed" in run(shop, "pytest", "-q", "tests")


def test_a_test_of_a_skeleton_can_fail(begun: Path):
    view(begun, "visits_by_page", None, "page", None).write(begun)
    path = begun / "topology.yaml"
    path.write_text(path.read_text().replace("events: {count: true}", "events: {sum: seconds}"))
    assert "1 failed" in run(begun, "pytest", "-q", "tests/test_visits_by_page.py", code=1)


def test_nothing_is_overwritten(begun: Path):
    (begun / "tests/test_twice.py").write_text("mine")
    before = (begun / "topology.yaml").read_text()
    for made in (view(begun, "twice", None, None, None), agent(begun, "twice", None)):
        with pytest.raises(ConfigError, match=r"tests/test_twice.py: there already"):
            made.write(begun)
    assert (begun / "tests/test_twice.py").read_text() == "mine"
    assert (begun / "topology.yaml").read_text() == before
    assert not (begun / "agents/twice.py").exists()
    with pytest.raises(ConfigError, match="is not empty"):
        project(begun)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (("x", None, None, None), r"--topic: name one of shop.catalog, "),
        (("x", "shop.cat", None, None), r"topic 'shop.cat' is not in topology.yaml"),
        (("x", "shop.orders", "regoin", None), r"--by 'regoin': shop.orders has no such field"),
        (("x", "shop.orders", "lines", None), r"--by 'lines': is array; name a field of text"),
        (("x", "shop.orders", None, "region"), r"--sum 'region': is enum; name an int, a long"),
        (("orders", "shop.orders", None, None), r"clickhouse.tables.orders: is there already"),
        (("revenue", "shop.orders", None, None), r"metrics.revenue: is there already"),
    ],
)
def test_views_that_can_not_be(shop: Path, asked, told: str):
    with pytest.raises(ConfigError, match=told):
        view(shop, *asked)


@pytest.mark.parametrize("name", ["Visits", "2x", "a-b", "../x", "a" * 65])
def test_names_that_are_none(begun: Path, name: str):
    assert "is no name" in run(begun, "headrace.cli.main", "new", "view", name, code=2)
