"""Replays on real services, with a worker at work."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from headrace.endpoints import Endpoints
from tests.replay.project import CHANGED, SELECT, Project

pytestmark = pytest.mark.slow


def replay(project: Project, *arguments: str, code: int = 0) -> dict[str, Any]:
    said = project.headrace("replay", "by_minute", "--json", *arguments)
    assert said.returncode == code, said.stderr
    answer: dict[str, Any] = orjson.loads(said.stdout)
    return answer


def test_a_changed_select_is_replayed_and_can_be_rolled_back_without_losing_live_rows(
    project: Project,
):
    project.await_truth()
    project.declare(CHANGED)
    try:
        assert project.plan() == [("by_minute", True)]
        applied = project.headrace("apply", "--json")
        assert applied.returncode == 0, applied.stderr
        assert project.plan() == [("by_minute", True)]
        answer = replay(project)
        assert answer["why"] == "defined otherwise"
        assert project.plan() == []
        project.send(300)
        doubled = {m: (n, 2 * amount, u) for m, (n, amount, u) in project.truth().items()}
        project.await_truth(f"by_minute__v{answer['before']}")
        assert project.held() == doubled
        replay(project, "--rollback")
        assert project.plan() == [("by_minute", True)]
        project.await_truth()
    finally:
        project.declare(SELECT)
    assert project.plan() == []
    replay(project, "--drop-old")


def test_readers_are_not_switched_to_a_version_that_lacks_something(project: Project):
    project.await_truth()
    late = datetime.now(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
    first = replay(project, "--from", late, "--wait", "0.5", code=1)
    assert first["why"] == "it differs from the version that readers see"
    assert first["comparison"]["missing"] > 0
    assert project.held() == project.truth()
    assert replay(project, "--wait", "0.5", code=1)["version"] == first["version"]
    said = project.headrace("replay", "by_minute", "--drop-old")
    assert said.returncode == 2
    assert "is being built" in said.stderr
    assert replay(project, "--discard") == {"dropped": [first["version"]]}
    project.await_truth()


def test_a_version_that_ends_at_a_time_is_only_looked_at(project: Project):
    answer = replay(project, "--to", "2100-01-01", code=1)
    assert answer["phase"] == "copied"
    assert project.held(f"by_minute__v{answer['version']}") == project.truth()
    project.send(50)
    project.await_truth()
    assert project.held(f"by_minute__v{answer['version']}") != project.truth()
    replay(project, "--discard")


def test_what_workers_have_not_come_to_is_replayed_by_the_same_rules(
    stack: Endpoints, tmp_path: Path
):
    """Nobody has applied anything: the new version is all there is, and live rows follow."""
    project = Project(tmp_path, stack)
    project.send(3_000)
    answer = replay(project, "--wait", "0.5", "--switch")
    assert answer["comparison"]["rows_before"] == 0
    project.send(500)
    worker = project.worker()
    worker.start()
    try:
        project.await_truth("by_minute__v1")
    finally:
        worker.stop()
    # Poison is found by an agent that a replay does not run: it was not set aside yet.
    assert project.held().keys() >= project.truth().keys()


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("counts", "a keyspace of Redis"),
        ("events", "a raw table"),
        ("keep", "an agent"),
        ("nothing", "not in topology.yaml; replay builds views of ClickHouse: by_minute"),
    ],
)
def test_what_is_no_view_is_refused(project: Project, name: str, says: str):
    said = project.headrace("replay", name)
    assert said.returncode == 2
    assert says in said.stderr


def test_acts_are_in_the_audit(project: Project):
    said = project.headrace("audit", "list", "--json")
    acts = [entry for entry in orjson.loads(said.stdout) if entry["act"] == "replay"]
    assert {entry["details"].get("do") for entry in acts} >= {"build", "rollback", "drop old"}
