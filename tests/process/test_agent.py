"""A process as the agent that the topology has: through Avro, in any blocks, with its timers."""

from __future__ import annotations

import shutil
import sys
from datetime import UTC, datetime

import pytest

from bench.saga.wire import PROCESS, PROJECT
from headrace import topology
from headrace.agent import stateful
from headrace.cli.main import main
from headrace.errors import ConfigError
from headrace.process.agent import of
from headrace.process.diagram import mermaid
from headrace.process.instance import decode
from headrace.process.machine import compiled
from headrace.testing import Given, Project
from tests.process.story import ORDER, declared, key

ROOT = PROJECT.parents[2]
EVENTS, COMMANDS = "shop.fulfilment", "shop.commands"
AT = 1_772_366_390_000


@pytest.fixture(scope="module")
def shop():
    return Project(PROJECT)


def event(number, type_, answers=None, **fields):
    return {
        "event_id": f"e{number}", "occurred_at": AT + number, "type": type_, "order_id": ORDER,
        "idempotency_key": answers, **fields,
    }  # fmt: skip


PLACED = event(
    1, "order_placed", user_id="u1", amount="12.50", currency="EUR",
    lines=[{"sku": "a", "quantity": 2}],
)  # fmt: skip


def held(result, order=ORDER):
    return decode(result.states[0, "process:fulfilment", order])


def test_commands_have_what_events_said(shop):
    log = [PLACED, event(2, "payment_authorised", key("authorise"))]
    found = Given({EVENTS: log}, shop).when(of(shop.topology, PROCESS))
    authorise, reserve = found.events[COMMANDS]
    assert (authorise["amount"], authorise["currency"]) == ("12.50", "EUR")
    assert reserve["lines"] == [{"sku": "a", "quantity": 2}]
    assert held(found).state == "reserving"


def test_filters_are_decided_by_the_event_s_fields(shop):
    declined = {"type_": "payment_declined", "answers": key("authorise")}
    run = of(shop.topology, PROCESS)
    again = Given({EVENTS: [PLACED, event(2, **declined, retryable=True)]}, shop).when(run)
    assert held(again).state == "authorising"
    ended = Given({EVENTS: [PLACED, event(2, **declined)]}, shop).when(run)
    assert held(ended).state == "cancelled"


def test_timers_are_events_of_its_topic(shop):
    # Records of tests came to Kafka in 1970: whatever waits by the wall has waited long enough.
    found = Given({EVENTS: [PLACED]}, shop).when(
        of(shop.topology, PROCESS), now=datetime(1970, 1, 1, 0, 3, tzinfo=UTC)
    )
    kinds = [command["type"] for command in found.events[COMMANDS]]
    assert kinds == ["authorise_payment"] * 3  # at 0 s, 30 s and 90 s


def test_the_worker_finds_it_by_its_name(shop):
    agent = stateful(shop.topology)[PROCESS]
    assert (agent.keyspace, agent.key) == ("process:fulfilment", "order_id")
    frame = shop.frame(EVENTS, [PLACED])
    assert [emit.topic for emit in agent.run(frame, {}).events] == [
        COMMANDS, "shop.fulfilment.transitions",
    ]  # fmt: skip


def hooked(reference):
    process = declared().processes[PROCESS]
    notify = process.commands["notify_cancelled"].model_copy(update={"hook": reference})
    changed = process.model_copy(
        update={"commands": {**process.commands, "notify_cancelled": notify}}
    )
    return declared().model_copy(update={"processes": {PROCESS: changed}})


def in_words(kept):
    """A hook: what a mapping of fields can't say."""
    return {"message": f"your order of {kept['amount']} {kept['currency']} was cancelled"}


def test_a_hook_says_what_fields_can_t(shop):
    log = [PLACED, event(2, "payment_declined", key("authorise"))]
    run = of(hooked("tests.process.test_agent:in_words"), PROCESS)
    told = Given({EVENTS: log}, shop).when(run).events[COMMANDS][-1]
    assert told["message"] == "your order of 12.50 EUR was cancelled"
    assert told["user_id"] == "u1"


@pytest.mark.parametrize(
    ("reference", "wrong"),
    [("no_such_module:f", "can't import"), ("tests.process.test_agent:no_such", "no function")],
)
def test_a_hook_that_is_not_there_is_told(reference, wrong):
    with pytest.raises(ConfigError, match=wrong):
        compiled(hooked(reference), PROCESS)


def run(patch, capsys, *args):
    patch.setattr(sys, "argv", ["headrace", *args])
    with pytest.raises(SystemExit) as exited:
        main()
    return exited.value.code or 0, capsys.readouterr()


def test_check_and_diagram_know_processes(tmp_path, monkeypatch, capsys):
    shutil.copytree(PROJECT, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    assert run(monkeypatch, capsys, "check")[0] == 0
    code, said = run(monkeypatch, capsys, "process", "diagram", PROCESS)
    assert (code, said.out) == (0, mermaid(topology.load(tmp_path).processes[PROCESS]))
    code, said = run(monkeypatch, capsys, "process", "diagram", "fulfilmend")
    assert code == 2
    assert "there are: fulfilment" in said.err
    text = (tmp_path / "topology.yaml").read_text()
    broken = text.replace("type: void_payment,", "type: void_payment, hook: 'no_such:f',")
    (tmp_path / "topology.yaml").write_text(broken)
    code, said = run(monkeypatch, capsys, "check")
    assert code == 2
    assert "can't import 'no_such'" in said.err


def test_the_drawn_states_are_up_to_date():
    page = (ROOT / "docs/processes.md").read_text(encoding="utf-8")
    drawn = mermaid(declared().processes[PROCESS])
    assert f"```mermaid\n{drawn}```" in page, (
        "run: headrace process diagram fulfilment in docs/examples/order-saga"
    )
