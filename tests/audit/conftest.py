"""A small pipeline with names of its own, as a project folder on the session's services."""

from __future__ import annotations

import json
import uuid
from pathlib import Path

import pytest
import yaml

from headrace import topology
from headrace.schema.register import register
from headrace.topology.model import Topology
from tests.sinks.place import SCHEMA


def declare(root: Path, partitions: int = 1) -> Topology:
    """Write a project; the same name again when the folder has one."""
    (root / "schemas").mkdir(exist_ok=True)
    (root / "schemas/event.avsc").write_text(json.dumps(SCHEMA))
    register(root / "schemas")
    file = root / topology.FILE
    name = yaml.safe_load(file.read_text())["name"] if file.exists() else f"a{uuid.uuid4().hex[:8]}"
    topic = f"{name}.events"
    declared = {
        "version": 1,
        "name": name,
        "defaults": {"partitions": partitions},
        "topics": {topic: {"schema": "event", "key": "user"}},
        "agents": {
            "rows": {
                "function": "agents.analytics:analytics",
                "reads": [topic],
                "writes": {"tables": ["events"]},
            }
        },
        "clickhouse": {
            "database": name,
            "tables": {"events": {"topic": topic, "order_by": ["user"]}},
        },
    }
    file.write_text(yaml.safe_dump(declared))
    return topology.load(root)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty project folder, the working directory meanwhile."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def declared(root: Path) -> Topology:
    return declare(root)
