"""``headrace audit`` and the commands that record themselves, on real services."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import clickhouse_connect
import pytest
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner

from headrace.audit import Act, Outcome, key, person, record
from headrace.cli.audited import audited
from headrace.cli.main import app
from headrace.endpoints import VARIABLES, Endpoints
from headrace.errors import ConfigError, HeadraceError
from headrace.topology.model import Topology
from tests.audit.conftest import declare
from tests.audit.test_chain import KEY
from tests.stack.nobody import nobody_listens

Run = Callable[..., str]


@pytest.fixture
def run(stack: Endpoints, declared: Topology, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command in the project; checks its exit code; returns what it printed."""
    for name, variable in VARIABLES.items():
        monkeypatch.setenv(variable, getattr(stack, name))

    def run(*args: str, code: int = 0) -> str:
        result = CliRunner().invoke(app, args)
        if isinstance(result.exception, HeadraceError):
            assert code == (2 if isinstance(result.exception, ConfigError) else 1), args
            return str(result.exception)
        assert result.exit_code == code, (result.output, result.exception)
        return result.output

    return run


@pytest.fixture
def client(stack: Endpoints, declared: Topology) -> Iterator[Any]:
    """Speaks to ClickHouse in the pipeline's database."""
    made = clickhouse_connect.get_client(dsn=stack.clickhouse)
    made.database = declared.clickhouse.database  # there is none before the first command
    yield made
    made.close()


def listed(run: Run, *args: str) -> list[dict[str, Any]]:
    return json.loads(run("audit", "list", "--json", *args))


def test_apply_records_itself_and_changes_nothing_else(run: Run, client: Any, declared: Topology):
    run("apply")
    assert "Nothing to do" in run("plan")
    intent, outcome = listed(run)
    assert (intent["act"], intent["subject"], intent["outcome"]) == (
        "apply", declared.name, "intended",
    )  # fmt: skip
    assert intent["details"]["topology.yaml"].startswith("sha256 ")
    assert (outcome["outcome"], outcome["intent"]) == ("done", 1)
    assert f"kafka {declared.name}.events: create with 1 partitions" in outcome["details"]["steps"]
    rows = client.query("SELECT sequence, outcome FROM audit FINAL ORDER BY sequence").result_rows
    assert rows == [(1, "intended"), (2, "done")]
    assert "2 entries, 0 faults" in run("audit", "verify")


def test_an_act_that_fails_is_recorded_as_failed(run: Run, root: Path):
    run("apply")
    declare(root, partitions=2)
    assert "topology.yaml declares 2" in run("apply", code=2)
    last = listed(run)[-1]
    assert last["outcome"] == "failed"
    assert "topology.yaml declares 2" in last["details"]["error"]


def test_what_can_not_be_recorded_is_not_done(run: Run, stack: Endpoints, declared: Topology):
    admin = AdminClient({"bootstrap.servers": stack.kafka})
    topic = declared.audit_topic
    admin.create_topics([NewTopic(topic, 2, 1)])[topic].result(30)
    assert "2 partitions" in run("apply", code=1)
    assert f"{declared.name}.events" not in admin.list_topics(timeout=10).topics


def test_without_the_table_an_act_is_done_and_its_copy_told_to_be_missing(
    run: Run, stack: Endpoints, declared: Topology, capsys: pytest.CaptureFixture[str]
):
    away = replace(stack, clickhouse=f"http://127.0.0.1:{nobody_listens()}")
    with audited(declared, away, Act.DLQ_REDRIVE, "events"):
        pass
    assert "headrace audit sync" in capsys.readouterr().err
    assert "the table lacks entries 1 to 2" in run("audit", "verify")
    assert "2 entries copied, 0 faults mended" in run("audit", "sync")
    assert "lacks" not in run("audit", "verify")


@pytest.mark.parametrize(
    ("tamper", "says"),
    [
        ("ALTER TABLE audit DELETE WHERE sequence = 2", "row 2: is missing"),
        (
            "ALTER TABLE audit UPDATE actor = 'x' WHERE sequence = 3",
            "row 3: was changed: actor 'x'",
        ),
        (
            "ALTER TABLE audit UPDATE details = map('a', 'b') WHERE sequence = 4",
            "row 4: was changed: details {'a': 'b'}",
        ),
        (
            "INSERT INTO audit SELECT * REPLACE (9 AS sequence) FROM audit LIMIT 1",
            "row 9: is not in the topic",
        ),
    ],
)
def test_a_touched_table_is_found_and_made_anew(run: Run, client: Any, tamper: str, says: str):
    run("apply")
    run("apply")
    client.command(tamper, settings={"mutations_sync": 1})
    assert f"BROKEN  {says}" in run("audit", "verify", code=1)
    report = json.loads(run("audit", "verify", "--json", code=1))
    assert (report["entries"], len(report["faults"])) == (4, 1)
    assert f"BROKEN  {says}" in run("audit", "sync")
    assert "4 entries, 0 faults" in run("audit", "verify")


def test_an_anchor_is_compared(run: Run, root: Path):
    assert "nothing to anchor" in run("audit", "anchor", code=2)
    run("apply")
    file = root / "anchor.json"
    file.write_text(run("audit", "anchor"))
    run("apply")
    run("audit", "verify", "--anchor", str(file))
    anchor = json.loads(file.read_text())
    file.write_text(json.dumps({**anchor, "sequence": 77}))
    assert "the last one there is 4" in run("audit", "verify", "--anchor", str(file), code=1)
    file.write_text(json.dumps({**anchor, "topic": "other"}))
    assert "is of 'other'" in run("audit", "verify", "--anchor", str(file), code=2)
    file.write_text("{}")
    assert "is not what" in run("audit", "verify", "--anchor", str(file), code=2)
    assert "No such file" in run("audit", "verify", "--anchor", "none", code=2)


def test_an_act_without_an_outcome_is_told_and_no_fault(
    run: Run, stack: Endpoints, declared: Topology
):
    record(declared, stack, Act.REPLAY, "shop", outcome=Outcome.INTENDED, actor="ann@here")
    out = run("audit", "verify")
    assert "open    entry 1: replay of 'shop' by ann@here at 20" in out
    assert "1 entries, 0 faults" in out
    (unfinished,) = json.loads(run("audit", "verify", "--json"))["unfinished"]
    assert unfinished["sequence"] == 1


def test_an_auditor_finds_a_person_by_claim_and_with_the_key(
    run: Run, stack: Endpoints, declared: Topology, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(key.VARIABLE, KEY.decode())
    for name in ("ann", "bob"):
        record(declared, stack, Act.FORGET, person(name, key.load()))
    record(declared, stack, Act.ACCESS, "/v1/users", outcome=Outcome.REFUSED, actor="eve")
    assert [e["sequence"] for e in listed(run, "--person", "bob")] == [2]
    assert [e["sequence"] for e in listed(run, "--act", "access")] == [3]
    assert listed(run, "--since", "2999-01-01") == []
    assert len(listed(run, "--since", "2000-01-01T00:00+01:00")) == 3
    assert "write a date" in run("audit", "list", "--since", "yesterday", code=2)
    shown = run("audit", "list")
    assert "eve" in shown
    assert "ann" not in shown
    assert "3 entries, 0 faults (signatures checked)" in run("audit", "verify")
    monkeypatch.delenv(key.VARIABLE)
    assert "signatures not checked" in run("audit", "verify")
    assert listed(run, "--person", "bob") == []
