"""What is refused of agents with state, emitted events and timers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from headrace.topology import load
from headrace.topology.loader import examine
from tests.keyed import project

Change = Callable[[dict[str, Any]], None]


def problems(root: Path, change: Change) -> str:
    project.write(root)
    declared = project.declare()
    change(declared)
    (root / "topology.yaml").write_text(yaml.safe_dump(declared))
    return "\n".join(map(str, examine(root, {})[1]))


def test_the_bank_is_right(tmp_path: Path):
    project.write(tmp_path)
    declared = load(tmp_path)
    assert declared.emitted() == ["bank.entries", "bank.notices"]
    assert declared.agents["balance"].targets == ["account", "bank.notices"]


def agent(name: str = "balance", **changed: Any) -> Change:
    return lambda declared: declared["agents"][name].update(changed)


def timer(**changed: Any) -> Change:
    return lambda declared: declared["agents"]["balance"]["timer"].update(changed)


def keyspace(**changed: Any) -> Change:
    return lambda declared: declared["redis"]["keyspaces"]["account"].update(changed)


def second(declared: dict[str, Any]) -> None:
    declared["agents"]["other"] = dict(declared["agents"]["balance"])


def no_dedupe(declared: dict[str, Any]) -> None:
    del declared["topics"]["bank.notices"]["dedupe"]


def reserved(declared: dict[str, Any]) -> None:
    declared["redis"]["keyspaces"]["due:x"] = {"type": "hash", "located": True}


def read_by_people(declared: dict[str, Any]) -> None:
    declared["serve"] = {"views": {"accounts": {"keyspaces": ["account"]}}}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (agent(reads=["bank.entries", "bank.notices"]), "reads one topic, whose key"),
        (agent(state={"keyspace": "account", "key": "type"}), "is not the key of topic"),
        (agent(state={"keyspace": "nowhere", "key": "account"}), "is no keyspace of type 'state'"),
        (agent(writes={"tables": ["notices"]}), "can't write tables"),
        (agent(writes={"topics": ["bank.nothing"]}), "not one of the topics"),
        (agent(writes={"keyspaces": ["account"]}), "holds an agent's state"),
        (agent(state=None), "a timer needs state"),
        (second, "holds the state of agent 'balance'"),
        (timer(at="nothing"), "has no such field"),
        (timer(at="cents"), "is not a timestamp"),
        (timer(event={"type": "x", "account": "y"}), "the engine gives this field"),
        (timer(event={"type": "x", "colour": "y"}), "has no such field"),
        (timer(event={}), "nothing for field 'type'"),
        (no_dedupe, "agents emit to this topic"),
        (keyspace(ttl_hours=1), "does not follow from the log"),
        (keyspace(located=False), "lies where its topic's key does"),
        (reserved, "the engine's own keys"),
        (read_by_people, "which only it can read"),
    ],
)
def test_what_is_refused(tmp_path: Path, change: Change, told: str):
    assert told in problems(tmp_path, change)


def test_private_fields_are_not_emitted(tmp_path: Path):
    fields = project.SCHEMAS["notices"]
    private = [{**f, "pii": "pseudonym"} if f["name"] == "account" else f for f in fields]
    project.write(tmp_path)
    path = tmp_path / "schemas/notices.avsc"
    schema = {"type": "record", "name": "Notices", "fields": private}
    path.write_text(json.dumps(schema))
    assert "is private: encrypted again" in "\n".join(map(str, examine(tmp_path, {})[1]))
