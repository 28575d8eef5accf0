"""What is wrong with a declared archive is told with its place and the fix."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from headrace.topology.loader import examine

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def problems(tmp_path: Path):
    shutil.copytree(ROOT / "schemas", tmp_path / "schemas")

    def found(archive: str):
        text = (ROOT / "topology.yaml").read_text()
        (tmp_path / "topology.yaml").write_text(f"{text}\narchive: {archive}\n")
        return examine(tmp_path)

    return found


def test_a_right_one(problems):
    declared, found = problems("{url: /cold, hours_per_file: 6, event_time: occurred_at}")
    assert found == []
    assert (declared.archive.rows_per_file, declared.archive.hours_per_file) == (1_000_000, 6)


@pytest.mark.parametrize(
    ("archive", "path", "wrong", "fix"),
    [
        ("{url: x, topics: [shop.order]}", "topics.0", "no such topic", "shop.orders"),
        ("{url: x, hours_per_file: 5}", "hours_per_file", "not valid", "6, 8, 12 or 24"),
        ("{url: ''}", "url", "not valid", "at least 1 character"),
        ("{topics: [shop.orders]}", "url", "missing", "add 'url'"),
        ("{url: x, rows: 5}", "rows", "unknown key", "rows_per_file"),
        (
            "{url: x, topics: [shop.orders], event_time: total}",
            "event_time", "is no timestamp field of topic 'shop.orders'", "that all archived",
        ),
        (
            "{url: x, topics: [shop.orders], event_time: when}",
            "event_time", "is no timestamp field of topic 'shop.orders'", "leave it out",
        ),
    ],
)  # fmt: skip
def test_each_wrong_one(problems, archive, path, wrong, fix):
    _, (found,) = problems(archive)
    assert found.path == f"archive.{path}"
    assert wrong in found.wrong
    assert fix in found.fix
